"""Handlers of the commands about players."""

from backbone.handlers import Command
from cockpit.players import use_cases
from cockpit.sessions.use_cases import session_of
from common.postgres import Connection
from contracts.cockpit import SelectPlayer


async def select(connection: Connection, command: Command[SelectPlayer]) -> None:
    """Select a player in the conversation's session, which is created if there is none."""
    asked = command.data
    session = await session_of(connection, asked.user_id, asked.conversation_id)
    await use_cases.select_player_in(connection, session, asked.player_id)

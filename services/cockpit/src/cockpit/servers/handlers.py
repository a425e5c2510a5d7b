"""Handlers of the commands and facts that concern mock game servers; the same use cases as over HTTP."""

from collections.abc import Sequence
from typing import Any

from backbone.handlers import Command, Rejection
from cockpit.servers import stopping, use_cases
from cockpit.sessions.use_cases import session_of
from cockpit.tokens.use_cases import Tokens
from common.postgres import Connection
from contracts.chat import ConversationDeleted
from contracts.cockpit import ExecuteCommand, StartServer, StopServer


async def lock(connection: Connection, commands: Sequence[Command[Any]]) -> None:
    """Lock the games of a batch of commands at once, before any handler runs."""
    conversations = sorted({command.data.conversation_id for command in commands})
    await use_cases.lock_batch(connection, conversations, sorted({c.data.user_id for c in commands}))


async def lock_deleted(connection: Connection, facts: Sequence[Command[ConversationDeleted]]) -> None:
    """Lock the servers that ran in deleted conversations at once, before any handler runs."""
    if facts:
        await use_cases.lock_servers_of(connection, [fact.data.conversation_id for fact in facts])


async def start(connection: Connection, command: Command[StartServer], *, tokens: Tokens) -> None:
    """Start the user's server in the conversation's session, or move it there."""
    asked = command.data
    session = await session_of(connection, asked.user_id, asked.conversation_id)
    connects = await tokens.can_connect(connection, asked.user_id)
    await use_cases.start_server_in(connection, session, connects=connects)


async def stop(connection: Connection, command: Command[StopServer]) -> None:
    """Stop the server of the conversation's session."""
    asked = command.data
    session = await session_of(connection, asked.user_id, asked.conversation_id)
    await use_cases.stop_server_in(connection, session)


async def execute(connection: Connection, command: Command[ExecuteCommand]) -> None:
    """Run a console line on the server of the conversation's session. A refused line counts as handled
    too."""
    asked = command.data
    session = await session_of(connection, asked.user_id, asked.conversation_id)
    await use_cases.execute_command_in(connection, session, asked.command)


async def conversation_deleted(
    connection: Connection, facts: Sequence[Command[ConversationDeleted]]
) -> Sequence[Rejection | None]:
    """Stop the servers that ran in these conversations. Each stop continues the trace of its deletion."""
    await stopping.stop_servers_of(connection, {fact.data.conversation_id: fact.trace for fact in facts})
    return [None] * len(facts)

"""Commands and facts that reach the mock game servers through streams; the same use cases as over HTTP."""

from collections.abc import Sequence

from backbone.handlers import Command, Rejection, Router
from cockpit.servers import repository, use_cases
from cockpit.sessions.use_cases import get_or_create_session, select_player
from common.postgres import Connection
from common.trace_context import continuing
from contracts.chat import ConversationDeleted
from contracts.cockpit import CockpitCommandRejected, ExecuteCommand, SelectPlayer, StartServer, StopServer


async def on_start(connection: Connection, command: Command[StartServer]) -> None:
    asked = command.data
    session = await get_or_create_session(connection, asked.conversation_id, asked.user_id)
    await use_cases.start_server(connection, session)


async def on_stop(connection: Connection, command: Command[StopServer]) -> None:
    asked = command.data
    session = await get_or_create_session(connection, asked.conversation_id, asked.user_id)
    await use_cases.stop_server(connection, session)


async def on_execute(connection: Connection, command: Command[ExecuteCommand]) -> None:
    asked = command.data
    session = await get_or_create_session(connection, asked.conversation_id, asked.user_id)
    await use_cases.execute_command(connection, session, asked.command)


async def on_select(connection: Connection, command: Command[SelectPlayer]) -> None:
    asked = command.data
    session = await get_or_create_session(connection, asked.conversation_id, asked.user_id)
    await select_player(connection, session, asked.player_id)


async def on_conversation_deleted(
    connection: Connection, facts: Sequence[Command[ConversationDeleted]]
) -> Sequence[Rejection | None]:
    """Stop the servers that ran in these conversations. Their sessions went with the cascade, so a session
    that exists belongs to a later conversation of the same id, and its server is left alone."""
    traces = {fact.data.conversation_id: fact.trace for fact in facts}
    for user_id, conversation_id in await repository.list_orphans_of(connection, list(traces)):
        with continuing(traces[conversation_id]):  # the request that deleted it, of many
            await use_cases.stop_orphaned_server(connection, user_id)
    return [None] * len(facts)


def commands() -> Router:
    """What cockpit takes from ``cockpit.commands``, one conversation's commands in order."""
    router = Router("cockpit", rejected=CockpitCommandRejected)
    router.each(StartServer, on_start, key=lambda command: str(command.data.conversation_id))
    router.each(StopServer, on_stop, key=lambda command: str(command.data.conversation_id))
    router.each(ExecuteCommand, on_execute, key=lambda command: str(command.data.conversation_id))
    router.each(SelectPlayer, on_select, key=lambda command: str(command.data.conversation_id))
    return router


def chat_facts() -> Router:
    """What cockpit takes from ``chat.events``."""
    router = Router("cockpit")
    router.on(ConversationDeleted, on_conversation_deleted, key=lambda fact: str(fact.data.conversation_id))
    return router

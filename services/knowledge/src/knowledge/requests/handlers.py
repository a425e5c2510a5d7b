"""The stream ``knowledge.commands``."""

from backbone.handlers import Command
from common.errors import NotFound
from common.postgres import Connection
from contracts.knowledge import RequestSync
from knowledge.bases import repository as bases
from knowledge.requests import use_cases


async def request_sync(connection: Connection, command: Command[RequestSync]) -> None:
    """Ask for the sync; the command's key is the sync's id, so that one command is one sync."""
    base_id = command.data.knowledge_base_id
    if await bases.get_base(connection, base_id) is None:
        raise NotFound(f"Knowledge base not found: {base_id}", code="knowledge_base_not_found")
    await use_cases.request_sync(
        connection,
        base_id,
        reason="command",
        mode=command.data.mode,
        sync_id=command.key,
        trace=command.trace,
    )

"""Syncs that are requested on ``knowledge.commands``."""

from backbone.handlers import Command
from common.postgres import Connection
from contracts.knowledge import RequestSync
from knowledge.requests import use_cases


async def request_sync(connection: Connection, command: Command[RequestSync]) -> None:
    """Request the sync. The command's key is the sync's id, so one command is one sync."""
    wanted = command.data
    await use_cases.request_commanded_sync(
        connection,
        wanted.knowledge_base_id,
        wanted.mode,
        command.key,
        command.trace,
        confirm_removal=wanted.confirm_removal,
    )

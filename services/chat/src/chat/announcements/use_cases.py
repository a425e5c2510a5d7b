"""Keeping what runtimes announce, for as long as they announce it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.names import AGENTS_CHANNEL
from chat.announcements import repository
from chat.announcements.records import AnnouncedAgent, AnnouncedTool
from chat.announcements.rules import check_number
from common.errors import PermanentError
from common.notifications import notify
from common.postgres import Connection, Pool, transaction, tried_again

SWEEP_SECONDS = 10.0
DELETED_AT_ONCE = 1_000


async def announce_agents(
    connection: Connection, announcements: Sequence[tuple[Sequence[AnnouncedAgent], int]], most: int
) -> list[PermanentError | None]:
    """Store announcements, each of some experiments of an agent for some seconds, in their order.

    Returns an error for each that doesn't fit beside those that are there. 0 seconds take back.
    """
    known = {(each.agent_id, each.experiment) for each in await repository.list_serving(connection)}
    outcomes: list[PermanentError | None] = []
    stored: dict[tuple[str, str], tuple[AnnouncedAgent, int]] = {}
    for agents, seconds in announcements:
        by_key = {(each.agent_id, each.experiment): (each, seconds) for each in agents}
        try:
            check_number(known, by_key.keys() - known if seconds else (), most, "ANNOUNCED_AGENTS_MAX")
        except PermanentError as error:
            outcomes.append(error)
            continue
        outcomes.append(None)
        known = known | by_key.keys() if seconds else known - by_key.keys()
        stored |= by_key
    if stored and await repository.upsert_agents(connection, list(stored.values())):
        await notify(connection, AGENTS_CHANNEL)
    return outcomes


async def announce_tools(
    connection: Connection, announcements: Sequence[tuple[AnnouncedTool, int]], most: int
) -> list[PermanentError | None]:
    """As :func:`announce_agents`, of tools."""
    known = await repository.list_tool_names(connection)
    outcomes: list[PermanentError | None] = []
    stored: dict[str, tuple[AnnouncedTool, int]] = {}
    for tool, seconds in announcements:
        try:
            check_number(known, {tool.name} - known if seconds else (), most, "ANNOUNCED_TOOLS_MAX")
        except PermanentError as error:
            outcomes.append(error)
            continue
        outcomes.append(None)
        known = known | {tool.name} if seconds else known - {tool.name}
        stored[tool.name] = (tool, seconds)
    if stored:
        await repository.upsert_tools(connection, list(stored.values()))
    return outcomes


async def remove_expired(pool: Pool) -> None:
    """Delete expired announcements every few seconds, until cancelled. Each process does."""
    with suppress_instrumentation():
        while True:
            for delete in (repository.delete_expired_agents, repository.delete_expired_tools):
                while await _delete(pool, delete) == DELETED_AT_ONCE:
                    pass
            await asyncio.sleep(SWEEP_SECONDS)


@tried_again
async def _delete(pool: Pool, delete: Callable[[Connection, int], Awaitable[int]]) -> int:
    async with transaction(pool) as connection:
        return await delete(connection, DELETED_AT_ONCE)

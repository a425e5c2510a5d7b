"""The versions that a custom agent had: listed, read, held, and removed when nobody needs them.

The database writes them: a trigger keeps what a change or a deletion replaces, whoever made it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from opentelemetry.instrumentation.utils import suppress_instrumentation

from chat.custom_agents import versions_repository as repository
from chat.custom_agents.records import AgentVersion, VersionKey, VersionStep
from chat.custom_agents.rules import MAX_VERSION, not_found, version_not_found
from common.errors import Forbidden
from common.postgres import Connection, Pool, transaction, tried_again
from servicekit.keysets import Page

PAGE_VERSIONS = 10
ROUND_SECONDS = 600.0
LOOKED_AT_ONCE = 500


async def list_versions(
    pool: Pool, user_id: str, agent_id: UUID, page: Page[tuple[int, ...]]
) -> AsyncGenerator[list[AgentVersion], None]:
    """The versions of a user's agent that are kept, in the order of ``page``. No connection is held between
    pages.

    Raises :class:`NotFound` if nothing of the agent is kept, and :class:`Forbidden` for another user's.
    """
    async with pool.acquire() as connection:
        await _check_owner(connection, user_id, agent_id)
    after = page.after[0] if page.after else (MAX_VERSION if page.descending else 0)
    for size in page.sizes(PAGE_VERSIONS):
        async with pool.acquire() as connection:
            found = await repository.list_versions(
                connection, agent_id, user_id, after, size, descending=page.descending
            )
        if found:
            yield found
            after = found[-1].version
        if len(found) < size:
            return


def place(version: AgentVersion) -> tuple[int]:
    """The key of a version in a list of them."""
    return (version.version,)


async def get_version(pool: Pool, user_id: str, agent_id: UUID, version: int) -> AgentVersion:
    """A version of a user's agent. Raises as :func:`list_versions`, and :class:`NotFound` for a version that
    isn't kept."""
    async with pool.acquire() as connection:
        await _check_owner(connection, user_id, agent_id)
        found = await repository.get_version(connection, agent_id, user_id, version)
    if found is None:
        raise version_not_found()
    return found


async def _check_owner(connection: Connection, user_id: str, agent_id: UUID) -> None:
    owners = await repository.get_owners(connection, agent_id)
    if not owners:
        raise not_found()
    if user_id not in owners:
        raise Forbidden


async def remove_unused_versions(pool: Pool, kept: int) -> None:
    """Remove what nobody needs every ten minutes, until cancelled. Each process does.

    Needed are the newest ``kept`` versions of an agent that wasn't deleted, for a day the last version of one
    that was, and each version that a conversation goes on with.
    """
    with suppress_instrumentation():
        while True:
            await go_through(pool, kept, LOOKED_AT_ONCE)
            await asyncio.sleep(ROUND_SECONDS)


async def go_through(pool: Pool, kept: int, limit: int) -> int:
    """Look at all replaced versions once, ``limit`` at a time. Returns how many were removed."""
    removed = 0
    after: VersionKey | None = (UUID(int=0), 0)
    while after is not None:
        step = await _look(pool, kept, after, limit)
        after = step.last
        if step.unused:
            removed += await _remove(pool, step.unused)
    return removed


@tried_again
async def _look(pool: Pool, kept: int, after: VersionKey, limit: int) -> VersionStep:
    async with pool.acquire() as connection:
        return await repository.list_step(connection, kept, after, limit)


@tried_again
async def _remove(pool: Pool, unused: Sequence[VersionKey]) -> int:
    """A conversation that takes a version holds it, and is seen by the second statement if it came first."""
    async with transaction(pool) as connection:
        locked = await repository.lock_versions(connection, unused)
        return await repository.delete_unused(connection, locked) if locked else 0

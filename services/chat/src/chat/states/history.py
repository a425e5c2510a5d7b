"""The versions that a state had: listed, read, and removed when they are old.

Versions are written with the states, by :func:`chat.states.repository.update_states`.
"""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from opentelemetry.instrumentation.utils import suppress_instrumentation

from chat.conversations.rules import not_found
from chat.states import history_repository as repository
from chat.states.records import CurrentState, KeptState, Limits, StateVersion
from common.errors import Forbidden, NotFound
from common.postgres import Connection, Pool, tried_again
from servicekit.keysets import Page

PAGE_VERSIONS = 500
BEYOND = 2**63 - 1
PRUNE_SECONDS = 600.0
VERSIONS_AT_ONCE = 500


async def list_versions(
    pool: Pool, user_id: str, conversation_id: UUID, limits: Limits, page: Page[tuple[int, ...]]
) -> AsyncGenerator[list[StateVersion], None]:
    """The versions of a state that are kept, in the order of ``page``. No connection is held between pages.

    Raises as :func:`chat.conversations.use_cases.check_owner` before the first page.
    """
    async with pool.acquire() as connection:
        current = (await _owned(connection, user_id, conversation_id)).about
    after = page.after[0] if page.after else (BEYOND if page.descending else -1)
    for size in page.sizes(PAGE_VERSIONS):
        async with pool.acquire() as connection:
            found = await repository.list_versions(
                connection, conversation_id, limits, after, size, descending=page.descending
            )
        done = len(found) < size
        if _is_missing(current, found, after, page, done=done):
            found.insert(0 if page.descending else len(found), current)
        if found:
            after = found[-1].version
            yield found
        if done:
            return


def _is_missing(
    current: StateVersion, found: list[StateVersion], after: int, page: Page[tuple[int, ...]], *, done: bool
) -> bool:
    """Whether the current version belongs to this part of the list: unless it was changed, it is kept nowhere
    else."""
    if page.descending:
        return current.version < after and (not found or found[0].version < current.version)
    return done and current.version > (found[-1].version if found else after)


def place(version: StateVersion) -> tuple[int]:
    """The key of a version in a list of them."""
    return (version.version,)


async def get_version(
    pool: Pool, user_id: str, conversation_id: UUID, limits: Limits, version: int
) -> KeptState:
    """A state at a version.

    Raises as :func:`chat.conversations.use_cases.check_owner`, and :class:`NotFound` for a version that isn't
    kept any more, or never was.
    """
    async with pool.acquire() as connection:
        current = (await _owned(connection, user_id, conversation_id)).about
        kept = await repository.get_version(connection, conversation_id, limits, version)
        if kept is None and version == current.version:
            state = await repository.get_unkept(connection, conversation_id, version)
            kept = None if state is None else KeptState(current, state)
    if kept is None:
        raise NotFound("State version not found", code="state_version_not_found")
    return kept


async def _owned(connection: Connection, user_id: str, conversation_id: UUID) -> CurrentState:
    current = await repository.get_current(connection, conversation_id)
    if current is None:
        raise not_found()
    if current.user_id != user_id:
        raise Forbidden
    return current


async def keep_versions(pool: Pool, days: int) -> None:
    """Remove versions that are older than ``days``, a few at a time, until cancelled. Each process does."""
    with suppress_instrumentation():
        while True:
            while await prune(pool, days, VERSIONS_AT_ONCE) == VERSIONS_AT_ONCE:
                pass
            await asyncio.sleep(PRUNE_SECONDS)


@tried_again
async def prune(pool: Pool, days: int, limit: int) -> int:
    """Remove up to ``limit`` versions that are older than ``days``. Returns their number."""
    async with pool.acquire() as connection:
        return await repository.prune_versions(connection, days, limit)

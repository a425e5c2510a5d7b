"""What users do with knowledge bases: see them, and create, change and delete their own."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from common.errors import Conflict
from common.postgres import Pool, transaction, tried_again
from knowledge.bases import repository, rules
from knowledge.bases.records import BaseView, KnowledgeBase
from knowledge.bases.use_cases import get_visible_base
from knowledge.content.versions.repository import list_versions
from knowledge.registry.registration import register
from knowledge.registry.removal import remove, remove_version
from knowledge.requests import use_cases as requests
from servicekit.keysets import Page

PAGE_BASES = 50
"""Each has a description of at most 10,000 characters."""


@dataclass(slots=True, frozen=True)
class ShownBase:
    """A base as a user sees it. ``versions`` are those that have content."""

    base: KnowledgeBase
    view: BaseView
    versions: list[str]


async def list_bases(
    pool: Pool, user_id: str, page: Page[tuple[str, ...]]
) -> AsyncGenerator[Sequence[BaseView], None]:
    """The public bases and the user's own, by id, in pages, and one more than ``page`` wants. No connection
    is held between pages."""
    read = repository.list_bases_before if page.descending else repository.list_bases_after
    last = page.after[0] if page.after else None
    for size in page.sizes(PAGE_BASES):
        async with pool.acquire() as connection:
            found = await read(connection, user_id, last, size)
        if found:
            yield found
            last = found[-1].id
        if len(found) < size:
            return


async def count_bases(pool: Pool, user_id: str, limit: int) -> int:
    """How many bases the user can see; counting ends at ``limit``."""
    async with pool.acquire() as connection:
        return await repository.count_bases(connection, user_id, limit)


async def get_base(pool: Pool, base_id: str, user_id: str) -> ShownBase:
    """One of the bases that the user can see. Raises ``NotFound`` and ``Forbidden``."""
    async with pool.acquire() as connection:
        base = await get_visible_base(connection, base_id, user_id)
        views = await repository.list_bases(connection, user_id, base_id)
        stored = await list_versions(connection, base_id)
    rules.check_visible(base if views else None, user_id)  # deleted between the two statements
    return ShownBase(base, views[0], [version.version for version in stored])


async def list_agents(
    pool: Pool, base_id: str, user_id: str, page: Page[tuple[UUID, ...]]
) -> AsyncGenerator[Sequence[UUID], None]:
    """Ids of the user's custom agents that use the base, and one more than ``page`` wants. Raises
    ``NotFound`` and ``Forbidden``."""
    read = repository.list_agents_backwards if page.descending else repository.list_agents
    last = page.after[0] if page.after else None
    async with pool.acquire() as connection:
        await get_visible_base(connection, base_id, user_id)
        found = await read(connection, base_id, user_id, last, page.rows)
    if found:
        yield found


@tried_again
async def create_base(pool: Pool, base: KnowledgeBase, roots: Sequence[Path]) -> None:
    """Register a user's base and request its first sync. Raises ``Invalid``, or ``Conflict`` if any base has
    this id, even one that the user can't see."""
    rules.check_definition(base, roots)
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        if await repository.get_base(connection, base.id) is not None:
            raise Conflict("A knowledge base with this id already exists", code="id_taken")
        await register(connection, base)
        await requests.request_sync(connection, base.id, reason="registry", requested_by=base.owner)


@tried_again
async def change_base(
    pool: Pool,
    base_id: str,
    user_id: str,
    change: Callable[[KnowledgeBase], KnowledgeBase],
    roots: Sequence[Path],
) -> KnowledgeBase:
    """Change one of the user's bases, and request a sync if its content will change.

    Raises ``NotFound``, ``Forbidden`` and ``Invalid``.
    """
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        before = rules.check_owned(await repository.get_base(connection, base_id), user_id)
        after = change(before)
        rules.check_definition(after, roots)
        await register(connection, after)
        if rules.content_differs(before, after):
            await requests.request_sync(connection, base_id, reason="registry", requested_by=user_id)
    return after


async def delete_base(pool: Pool, base_id: str, user_id: str) -> None:
    """Delete one of the user's bases. Raises as :func:`knowledge.registry.removal.remove`, ``NotFound`` and
    ``Forbidden``."""
    await remove(pool, base_id, partial(rules.check_owned, user_id=user_id))


async def delete_version(pool: Pool, base_id: str, version: str, user_id: str, ttl_seconds: float) -> None:
    """Delete one version of one of the user's bases. Raises as
    :func:`knowledge.registry.removal.remove_version`, ``NotFound`` and ``Forbidden``."""
    check = partial(rules.check_owned, user_id=user_id)
    await remove_version(pool, base_id, version, check, ttl_seconds)

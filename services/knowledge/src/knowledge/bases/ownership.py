"""What users do with the knowledge bases that they make. Each function is one transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from common.errors import Conflict
from common.postgres import Pool, transaction
from knowledge.bases import repository, rules
from knowledge.bases.models import KnowledgeBase
from knowledge.bases.removal import remove, remove_version
from knowledge.bases.use_cases import register
from knowledge.sync import requests


async def create_base(pool: Pool, base: KnowledgeBase, roots: Sequence[Path]) -> None:
    """Register a user's base and ask for its first sync. Raises ``Invalid``, or ``Conflict`` when there is a
    base of this id, whoever sees it."""
    rules.check_definition(base, roots)
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        if await repository.get_base(connection, base.id) is not None:
            raise Conflict("A knowledge base with this id already exists", code="id_taken")
        await register(connection, base)
        await requests.request_sync(connection, base.id, reason="registry", requested_by=base.owner)


async def change_base(
    pool: Pool,
    base_id: str,
    user_id: str,
    change: Callable[[KnowledgeBase], KnowledgeBase],
    roots: Sequence[Path],
) -> KnowledgeBase:
    """Change one of the user's bases, and ask for a sync when its content will be another.

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
    """Delete one of the user's bases. Raises as :func:`knowledge.bases.removal.remove`, ``NotFound`` and
    ``Forbidden``."""
    await remove(pool, base_id, partial(rules.check_owned, user_id=user_id))


async def delete_version(pool: Pool, base_id: str, version: str, user_id: str, ttl_seconds: float) -> None:
    """Delete one version of one of the user's bases. Raises as
    :func:`knowledge.bases.removal.remove_version`, ``NotFound`` and ``Forbidden``."""
    check = partial(rules.check_owned, user_id=user_id)
    await remove_version(pool, base_id, version, check, ttl_seconds)

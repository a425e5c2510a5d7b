"""Readiness checks: what a service must have before it works, including the schema's revision."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from common.postgres import Connection, Pool

Check: TypeAlias = Callable[[], Awaitable[str]]
"""Returns what is fine (``"active"``), or raises what isn't."""

CHECK_SECONDS = 3.0

# Never fails on a database that was not migrated: a failed statement would abort the caller's transaction.
_TABLE_EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"
_CURRENT = "SELECT max(version_num) FROM alembic_version"


class NotReady(Exception):
    """Why a service can't work now, and what to do about it."""


async def current_revision(connection: "Connection") -> str | None:
    """The database's revision, even if this code doesn't know it; ``None`` if it was never migrated."""
    if not await connection.fetchval(_TABLE_EXISTS):
        return None
    revision: str | None = await connection.fetchval(_CURRENT)
    return revision


def is_at_least(current: str | None, required: str) -> bool:
    """Whether a database at revision ``current`` is enough for code that needs ``required``. Newer is
    fine."""
    return current is not None and int(current) >= int(required)


async def check_schema(pool: "Pool", service: str, required: str) -> str:
    """The schema's revision. Raises :class:`NotReady` if it is below ``required``; a newer one is fine."""
    async with pool.acquire(timeout=CHECK_SECONDS) as connection:
        revision = await current_revision(connection)
    if not is_at_least(revision, required):
        at = f"at revision {revision}" if revision else "not migrated"
        raise NotReady(f"the schema is {at}, {service} needs at least {required}: run `takaro migrate`")
    return f"revision {revision} (needs {required})"

"""What a service asks of the schema: which revision is it at, and is that enough? Needs no Alembic."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

# Never fails on a database that was not migrated: a failed statement would end the caller's transaction.
_TABLE_EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"
_CURRENT = "SELECT max(version_num) FROM alembic_version"


async def current_revision(conn: "Connection[Any] | PoolConnectionProxy[Any]") -> str | None:
    """The revision that the database is at, also one this code doesn't know; ``None`` when never migrated."""
    if not await conn.fetchval(_TABLE_EXISTS):
        return None
    revision: str | None = await conn.fetchval(_CURRENT)
    return revision


def is_at_least(current: str | None, required: str) -> bool:
    """Whether a database at ``current`` has what code that requires ``required`` needs; newer is fine."""
    return current is not None and int(current) >= int(required)

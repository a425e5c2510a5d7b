"""A pool that tells a schema that was taken back, which is an outage, from a wrong statement, which isn't."""

import asyncio
import re
import time
from typing import Any

import asyncpg
from asyncpg.pool import Pool, PoolAcquireContext

from common.ambient import joined
from common.errors import SchemaAway
from common.readiness import CHECK_SECONDS, current_revision, is_at_least

_RECENTLY_SECONDS = 60.0
"""A statement may fail on a schema that is complete again by the time it is asked for."""

_MISSING = (asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError)
"""Postgres's class 42 (a table, a column, a function, a type, an index of ON CONFLICT), and 3F."""
_CHANGED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
_GONE_MEANWHILE = re.compile(r"cache lookup failed for |could not open relation with OID ")
"""Postgres's internal error for an object that was dropped while a statement looked at it."""


class SchemaPool(Pool):
    """Raises :class:`SchemaAway` for a statement that failed because the schema isn't there or just changed.

    It asks the database when it happens: if the recorded revision is what the service needs, the error is one
    like any other. Its connections are replaced then, since they remember types and plans of the schema
    before.
    """

    required_revision = "001"
    _seen_away = float("-inf")

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext:
        connection = joined(self)
        return _Acquired(self, timeout) if connection is None else _Joined(self, connection)

    async def explain(self, error: BaseException) -> SchemaAway | None:
        """Why the schema made a statement fail with ``error``; ``None`` if it didn't."""
        if isinstance(error, _CHANGED) or _met_a_drop(error):
            away = SchemaAway("the schema was changed under a statement")
        elif isinstance(error, _MISSING):
            found = await self._trouble()
            if found is None:
                return None
            away = SchemaAway(found)
        else:
            return None
        await self.expire_connections()
        return away

    async def _trouble(self) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS), PoolAcquireContext(self, CHECK_SECONDS) as connection:
                revision = await current_revision(connection)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return f"the schema's revision can't be read ({error!r})"
        if not is_at_least(revision, self.required_revision):
            self._seen_away = time.monotonic()
            at = f"at revision {revision}" if revision else "not migrated"
            return f"the schema is {at}, {self.required_revision} is needed: run `takaro migrate`"
        if time.monotonic() - self._seen_away < _RECENTLY_SECONDS:
            return "the schema was migrated a moment ago"
        return None


class _Acquired(PoolAcquireContext):
    """What the block raises is looked at once its connection is back in the pool."""

    __slots__ = ()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        pool, error = self.pool, exc[1] if exc else None
        assert isinstance(pool, SchemaPool)
        if isinstance(error, Exception) and (away := await pool.explain(error)):
            raise away from error


class _Joined(PoolAcquireContext):
    """The connection of the transaction that this task works in. Whoever opened that gives it back.

    A savepoint, because a statement that fails by itself mustn't fail what was done before it.
    """

    __slots__ = ("_connection", "_savepoint")

    def __init__(self, pool: Pool, connection: Any) -> None:
        super().__init__(pool, None)
        self._connection = connection
        self._savepoint = connection.transaction()

    async def __aenter__(self) -> Any:
        await self._savepoint.start()
        return self._connection

    async def __aexit__(self, *exc: object) -> None:
        await (self._savepoint.rollback() if exc and exc[1] else self._savepoint.commit())

    def __await__(self) -> Any:
        raise RuntimeError("a connection of an ambient transaction can't be kept: use `async with`")


def _met_a_drop(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InternalServerError) and bool(_GONE_MEANWHILE.match(str(error)))

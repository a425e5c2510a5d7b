"""Postgres: the pool, its codecs, its time limits, and transactions that are tried again.

Everybody takes locks in one order, which docs/reliability.md gives.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar

import asyncpg
import structlog
from prometheus_client import Counter

from common import backoff, codec, telemetry
from common.connecting import connect
from common.errors import TransientError
from common.schema_pool import SchemaPool
from common.traced_connection import TracedConnection

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from common.settings import StoreSettings

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection: TypeAlias = Any
    Pool: TypeAlias = asyncpg.Pool

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

CONFLICTS = Counter(
    "takaro_transaction_conflicts_total", "Transactions rolled back by a deadlock or a serialization failure"
)

ATTEMPTS = 8
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.005, 0.5


class Overtaken(TransientError):
    """What a transaction was decided on changed before it was locked: it is tried again."""


_PASSING = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, Overtaken)


async def prepare_connection(connection: Connection) -> None:
    """Give a new connection the ``jsonb`` and ``json`` codecs: Python values in, Python values out."""
    for kind in ("jsonb", "json"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=codec.dumps_str, decoder=codec.loads, format="text"
        )


async def create_pool(
    settings: "StoreSettings",
    *,
    lock_timeout_seconds: float | None = None,
    required_revision: str = SchemaPool.required_revision,
) -> Pool:
    """Create a pool of at most ``database_pool_size`` connections. It connects at first use.

    Where the schema is below ``required_revision``, a statement that misses something of it raises
    :class:`common.errors.SchemaAway`, an outage.

    ``statement_timeout`` and ``lock_timeout`` come from the settings. ``idle_in_transaction_session_timeout``
    is two thirds of a lease's time to live, so that a frozen process loses its locks before its lease.
    """
    idle_in_transaction = settings.lease_ttl_seconds * 2 / 3
    pool = SchemaPool(
        settings.database_url,
        min_size=0,
        max_size=settings.database_pool_size,
        connect=functools.partial(
            connect,
            application=f"takaro-{settings.service}",
            command_timeout=settings.statement_timeout_seconds + 5,
            session={
                "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
                "lock_timeout": _milliseconds(lock_timeout_seconds or settings.lock_timeout_seconds),
                "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction),
            },
        ),
        setup=None,
        init=prepare_connection,
        reset=_leave_session,
        max_queries=50_000,
        max_inactive_connection_lifetime=60,
        loop=None,
        connection_class=TracedConnection if telemetry.recording() else asyncpg.Connection,
        record_class=asyncpg.Record,
    )
    pool.required_revision = required_revision
    return await pool


async def _leave_session(_: Connection) -> None:
    """Skip the full reset, which costs a round trip at each release.

    asyncpg itself rolls back an open transaction, and our code changes no session state outside a
    transaction.
    """


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


def tried_again(unit: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Run ``unit`` again from its beginning after a deadlock, a serialization failure or :class:`Overtaken`.

    ``unit`` opens one :func:`transaction`, which was rolled back by then. Outside the transaction it must
    have no effect before the commit. Raises the error after :data:`ATTEMPTS` attempts.
    """

    @functools.wraps(unit)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return await unit(*args, **kwargs)
            except _PASSING as error:
                CONFLICTS.inc()
                log.info("transaction tried again", unit=getattr(unit, "__qualname__", ""), error=repr(error))
            await asyncio.sleep(
                backoff.pause(attempt, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
            )
        return await unit(*args, **kwargs)

    return run


@asynccontextmanager
async def transaction(
    pool: Pool,
    *,
    isolation: Literal["read_committed", "repeatable_read"] = "read_committed",
    readonly: bool = False,
) -> AsyncIterator[Connection]:
    """A connection inside one transaction: committed at the end, rolled back on an error.

    A function that opens one is :func:`tried_again`.

    A cancellation is raised as one even if the connection is gone. Otherwise the error of the failed rollback
    would hide it, and a caller that retries during an outage would never stop. A server that is read-only was
    failed over: its connections are dropped, and new ones go to wherever the address leads now.
    """
    cancelled = False
    try:
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation=isolation, readonly=readonly),
        ):
            try:
                yield connection
            except asyncio.CancelledError:
                cancelled = True
                raise
    except Exception as error:
        if cancelled:
            raise asyncio.CancelledError from error
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            await pool.expire_connections()
        raise

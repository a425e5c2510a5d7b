"""Postgres: the pool, its codecs and its time limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import asyncpg

from common import codec

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from common.settings import StoreSettings

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection: TypeAlias = Any
    Pool: TypeAlias = asyncpg.Pool


async def prepare_connection(connection: Connection) -> None:
    """Give a new connection the ``jsonb`` and ``json`` codecs: Python values in, Python values out."""
    for kind in ("jsonb", "json"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=codec.dumps_str, decoder=codec.loads, format="text"
        )


async def create_pool(settings: "StoreSettings", *, lock_timeout_seconds: float | None = None) -> Pool:
    """Create a pool of at most ``database_pool_size`` connections. It connects at first use.

    ``statement_timeout`` and ``lock_timeout`` come from the settings. ``idle_in_transaction_session_timeout``
    is two thirds of a lease's time to live, so that a frozen process loses its locks before its lease.
    """
    idle_in_transaction = settings.lease_ttl_seconds * 2 / 3
    return await asyncpg.create_pool(
        settings.database_url,
        min_size=0,
        max_size=settings.database_pool_size,
        init=prepare_connection,
        reset=_leave_session,
        timeout=5,
        command_timeout=settings.statement_timeout_seconds + 5,
        max_inactive_connection_lifetime=60,
        server_settings={
            "application_name": f"takaro-{settings.service}",
            "timezone": "UTC",
            "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
            "lock_timeout": _milliseconds(lock_timeout_seconds or settings.lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction),
        },
    )


async def _leave_session(_: Connection) -> None:
    """Skip the full reset, which costs a round trip at each release.

    asyncpg itself rolls back an open transaction, and our code changes no session state outside a
    transaction.
    """


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


@asynccontextmanager
async def transaction(
    pool: Pool, *, isolation: Literal["repeatable_read"] | None = None, readonly: bool = False
) -> AsyncIterator[Connection]:
    """A connection inside one transaction: committed at the end, rolled back on an error.

    Without ``isolation`` it is READ COMMITTED.

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

"""What can't work however long a service waits: poolers that share sessions, and Redis Cluster.

A service refuses them at its start. ``/ready`` looks again, because an address may lead elsewhere later, or
may not answer at the start.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import asyncpg
from redis import exceptions

from common.connecting import connect
from common.postgres import Connection, Pool
from common.readiness import CHECK_SECONDS, NotReady
from common.redis_clients import open_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

START_SECONDS = 5.0
"""A server that doesn't answer for so long is waited for as one that is away."""
LOOK_AGAIN_SECONDS = 60.0
ROUNDS = 5
COMMAND_SECONDS = 3.0

BACKEND = "SELECT pg_backend_pid()"

SHARED_SESSIONS = (
    "DATABASE_URL leads through a pooler that gives a session to others after each transaction (PgBouncer's "
    "pool_mode = transaction or statement), which loses LISTEN and time limits: use pool_mode = session, or "
    "the address of Postgres itself"
)
CLUSTER = (
    "is a Redis Cluster, on which the queue's keys can't be together: use a Redis without cluster mode "
    "(cluster-enabled no), with replicas and Sentinel"
)

_PROOFS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""A statement was prepared on another backend, or by another client."""


class Refused(NotReady):
    """What is there can't be worked with. The message is one line that says what to do."""


async def get_backend(connection: Connection) -> int:
    """The process id of the backend that runs this statement."""
    return int(await connection.fetchval(BACKEND))


async def is_pooled(connection: Connection) -> bool:
    """Whether a pooler stands before Postgres: it tells its clients a process id of its own."""
    return await get_backend(connection) != connection.get_server_pid()


async def check_sessions(url: str) -> None:
    """Raise :class:`Refused` if a connection doesn't keep its session.

    Raises ``OSError``, ``TimeoutError`` or asyncpg's errors if there is no connection.

    A pooler's connection has a process id of the pooler's own, unlike that of its backend. In session mode
    two open connections never have the same backend, and each keeps its own.
    """
    try:
        async with AsyncExitStack() as open_ones:
            first = await _open(url, open_ones)
            if await _backend(first) == first.get_server_pid():
                return
            second = await _open(url, open_ones)
            firsts, seconds = set(), set()
            for _ in range(ROUNDS):
                firsts.add(await _backend(first))
                seconds.add(await _backend(second))
    except _PROOFS as error:
        raise Refused(SHARED_SESSIONS) from error
    if len(firsts) > 1 or len(seconds) > 1 or firsts & seconds:
        raise Refused(SHARED_SESSIONS)


async def _open(url: str, open_ones: AsyncExitStack) -> Connection:
    connection = await connect(
        url, application="takaro-check", command_timeout=COMMAND_SECONDS, statement_cache_size=0
    )
    open_ones.callback(connection.terminate)
    return connection


async def _backend(connection: Connection) -> int:
    try:
        async with connection.transaction():  # the statement and its preparation meet the same backend
            return await get_backend(connection)
    except asyncpg.PostgresError as error:
        # PgBouncer's answer to BEGIN with pool_mode = statement, after which it closes the connection.
        if isinstance(error.__cause__ or error, asyncpg.ProtocolViolationError):
            raise Refused(SHARED_SESSIONS) from error
        raise


async def check_redis(client: "Redis", name: str) -> None:
    """Raise :class:`Refused` if ``client`` speaks to a Redis Cluster. ``name`` is that of the setting."""
    try:
        found = await client.info("cluster")
    except exceptions.NoPermissionError:  # a user with few rights; other checks show a cluster's errors
        await client.ping()
        return
    if str(found.get("cluster_enabled", 0)) == "1":
        raise Refused(f"{name} {CLUSTER}")


class Seldom:
    """``check`` at most once a minute, as long as all is well."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check, self._well_until = check, 0.0

    async def __call__(self) -> None:
        if time.monotonic() >= self._well_until:
            await self._check()
            self._well_until = time.monotonic() + LOOK_AGAIN_SECONDS


async def check_pool(pool: Pool, url: str) -> None:
    """:func:`check_sessions`, but without a connection of its own unless the pool's lead through a pooler."""
    try:
        async with pool.acquire(timeout=CHECK_SECONDS) as connection:
            if not await is_pooled(connection):
                return
    except _PROOFS as error:
        raise Refused(SHARED_SESSIONS) from error
    await check_sessions(url)


async def check_redis_at(url: str, name: str) -> None:
    """:func:`check_redis` with a connection of its own."""
    client = open_redis(url)
    try:
        await check_redis(client, name)
    finally:
        await client.aclose()


async def refuse(database_url: str, redis_urls: Mapping[str, str]) -> None:
    """Raise :class:`Refused` if one of them can't be worked with. What doesn't answer is left to ``/ready``.

    ``redis_urls`` maps the name of a setting to its URL.
    """
    results = await asyncio.gather(
        _answered(check_sessions(database_url)),
        *(_answered(check_redis_at(url, name)) for name, url in redis_urls.items()),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, Refused):
            raise result
        if isinstance(result, asyncpg.ProtocolViolationError | asyncpg.ClientConfigurationError):
            # Such as "unsupported startup parameter: options", from a pooler.
            raise Refused(f"DATABASE_URL: {result}".splitlines()[0])


async def _answered(check: Awaitable[None]) -> None:
    async with asyncio.timeout(START_SECONDS):
        await check

"""Connections to the event streams and to Postgres, closed when the command ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common.connecting import connect
from common.database_url import parse
from common.postgres import Connection, prepare_connection
from common.refusals import Refused, check_sessions, is_pooled
from takaro_operator.errors import Failure, Refusal
from takaro_operator.settings import OperatorSettings


@asynccontextmanager
async def open_streams(settings: OperatorSettings) -> AsyncIterator[Redis]:
    """A client of Redis Streams that answers in bytes. It never resends a command by itself.

    Raises :class:`Refusal` if events travel through another broker.
    """
    scheme = urlsplit(settings.bus_url).scheme
    if scheme not in ("redis", "rediss", "unix"):
        raise Refusal(
            f"EVENT_BUS_URL is {scheme}://…, and this command reads Redis Streams. Use Kafka's own tools "
            "(kafka-console-consumer.sh, kafka-consumer-groups.sh); `takaro outbox` works with both"
        )
    client = Redis.from_url(
        settings.bus_url, socket_timeout=5, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0)
    )
    async with client:
        yield client


@asynccontextmanager
async def open_database(settings: OperatorSettings) -> AsyncIterator[Connection]:
    """One connection. Raises :class:`Failure` when Postgres can't be reached, :class:`Refusal` when a pooler
    shares its sessions."""
    try:
        connection = await connect(settings.database_url, application="takaro-cli", command_timeout=30)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(
            f"can't connect to Postgres at {parse(settings.database_url).place} "
            f"({error or type(error).__name__}): is it running, and is DATABASE_URL right?"
        ) from error
    try:
        if await is_pooled(connection):
            await check_sessions(settings.database_url)
        await prepare_connection(connection)
        yield connection
    except Refused as error:
        raise Refusal(str(error)) from error
    finally:
        await connection.close()


def place_of(url: str) -> str:
    """Host and port of a URL; never its password."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or 'localhost'}:{parts.port}" if parts.port else parts.hostname or parts.path
    except ValueError:
        return "an unreadable address"

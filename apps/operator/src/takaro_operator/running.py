"""What every operators' command needs: settings, connections, and errors that say what to do next.

Exit status: 0 done, 1 failed or nothing found, 2 refused with nothing changed.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import typer
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from backbone.settings import BackboneSettings
from backbone.validation import explain
from common.postgres import Connection, prepare_connection
from takaro_operator.output import complain

FAILED, REFUSED = 1, 2


class Failure(Exception):
    """A command can't do its work: the message says why, and what to do."""

    status = FAILED


class Refusal(Failure):
    """What was asked for makes no sense or needs a word more; nothing was changed."""

    status = REFUSED


def _like_services(name: str) -> str:
    default: str = BackboneSettings.model_fields[name].default
    return default


class OperatorSettings(BaseSettings):
    """Where Postgres, Redis and traces are, from the environment and ``.env`` as the services read it."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    database_url: str = Field(_like_services("database_url"), description="DATABASE_URL")
    redis_url: str = Field(_like_services("redis_url"), description="REDIS_URL")
    event_bus_url: str = Field("", description="EVENT_BUS_URL; defaults to REDIS_URL")
    otlp_port: int = Field(4318, description="OTLP_PORT of the local stack's collector")
    traces_url: str = Field("", validation_alias="TAKARO_TRACES_URL", description="the collector's base URL")

    @property
    def bus_url(self) -> str:
        return self.event_bus_url or self.redis_url

    @property
    def collector_url(self) -> str:
        return (self.traces_url or f"http://127.0.0.1:{self.otlp_port}").rstrip("/")


@asynccontextmanager
async def open_bus(settings: OperatorSettings) -> AsyncIterator[Redis]:
    """A client of the event bus that answers in bytes. A command is never sent twice by itself."""
    scheme = urlsplit(settings.bus_url).scheme
    if scheme not in ("redis", "rediss", "unix"):
        raise Refusal(
            f"EVENT_BUS_URL is {scheme}://…: this command reads Redis Streams. On Kafka use its own tools "
            "(kafka-console-consumer.sh, kafka-consumer-groups.sh); `takaro outbox` works with both"
        )
    client = Redis.from_url(
        settings.bus_url, socket_timeout=5, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0)
    )
    async with client:
        yield client


@asynccontextmanager
async def open_database(settings: OperatorSettings) -> AsyncIterator[Connection]:
    """One connection. Raises :class:`Failure` when there is none to be had."""
    try:
        connection = await asyncpg.connect(
            settings.database_url,
            timeout=5,
            command_timeout=30,
            server_settings={"application_name": "takaro-cli", "timezone": "UTC"},
        )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(
            f"Postgres at {_place(settings.database_url)} can't be used ({error or type(error).__name__}): "
            "is it running, and is DATABASE_URL right?"
        ) from error
    try:
        await prepare_connection(connection)
        yield connection
    finally:
        await connection.close()


def run(work: Callable[[OperatorSettings], Awaitable[None]], *, until_interrupted: bool = False) -> None:
    """Do ``work``; explain what goes wrong on the error stream and end with its status.

    With ``until_interrupted`` Ctrl-C is how it is ended, and no failure.
    """
    settings: OperatorSettings | None = None
    try:
        settings = OperatorSettings()
        asyncio.run(_done_or_interrupted(work(settings)) if until_interrupted else _done(work(settings)))
    except ValidationError as error:
        _end(f"a setting is wrong: {explain(error.errors(include_url=False))}", REFUSED, error)
    except Failure as error:
        _end(str(error), error.status, error)
    except (exceptions.NoPermissionError, exceptions.AuthenticationError) as error:
        _end(f"Redis refuses: {error}. Use a user that may (EVENT_BUS_URL, or REDIS_URL)", FAILED, error)
    except (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError) as error:
        place = _place(settings.bus_url) if settings else "?"
        _end(
            f"Redis at {place} can't be used ({error}): is it running, and is EVENT_BUS_URL (else REDIS_URL) "
            "right?",
            FAILED,
            error,
        )
    except exceptions.RedisError as error:
        _end(f"Redis answered: {error}", FAILED, error)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        _end(f"the schema is too old ({error}): run `takaro migrate`", FAILED, error)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        _end(f"Postgres answered: {error or type(error).__name__}", FAILED, error)


async def _done(work: Awaitable[None]) -> None:
    await work


async def _done_or_interrupted(work: Awaitable[None]) -> None:
    """Cancel ``work`` from the event loop, until it has ended.

    The interpreter's own handler cancels a task in the middle of a step; a timeout that the task enters in
    that very step takes the cancellation for its own, and Ctrl-C is lost (CPython 3.11, ``asyncio.timeout``).
    """
    task = asyncio.ensure_future(work)
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    interruption = asyncio.create_task(interrupted.wait())
    await asyncio.wait({task, interruption}, return_when=asyncio.FIRST_COMPLETED)
    interruption.cancel()
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
    with suppress(asyncio.CancelledError):
        await task


def _end(message: str, status: int, cause: Exception) -> None:
    complain(message)
    raise typer.Exit(status) from cause


def _place(url: str) -> str:
    """Host and port of a URL; never its password."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or 'localhost'}:{parts.port}" if parts.port else parts.hostname or parts.path
    except ValueError:
        return "an address that can't be read"

"""Running a command's work, and ending with an error that says what to do next."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import typer
from pydantic import ValidationError
from redis import exceptions

from backbone.validation import explain
from takaro_operator.connections import place_of
from takaro_operator.errors import FAILED, REFUSED, Failure
from takaro_operator.output import complain
from takaro_operator.settings import OperatorSettings


def run(work: Callable[[OperatorSettings], Awaitable[None]], *, until_interrupted: bool = False) -> None:
    """Do ``work``. If it fails, explain why on the error stream and exit with the failure's status.

    With ``until_interrupted``, Ctrl-C is the usual end, not a failure.
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
        _end(
            f"Redis refused: {error}. Set EVENT_BUS_URL (or REDIS_URL) to a user with that permission",
            FAILED,
            error,
        )
    except (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError) as error:
        place = place_of(settings.bus_url) if settings else "?"
        _end(
            f"can't use Redis at {place} ({error}): is it running, and is EVENT_BUS_URL (or REDIS_URL) "
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
    """Wait for ``work`` to end, or for Ctrl-C, on which ``work`` is cancelled from the event loop.

    Python's own handler cancels a task in the middle of a step. If the task enters ``asyncio.timeout`` in
    that step, the timeout swallows the cancellation, and Ctrl-C is lost (CPython 3.11).
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

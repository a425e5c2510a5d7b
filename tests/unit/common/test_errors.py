"""Which errors are an outage: no entry counts a failure, and everything waits."""

import asyncpg
import pytest
from redis import exceptions
from redis._parsers.base import BaseParser
from redis.asyncio.client import Pipeline

from common.errors import is_outage, is_transient


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("connection is closed"),
        # Seen when Postgres was killed in mid-statement. It counted as a failure of the handler.
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        exceptions.ConnectionError("Connection closed by server."),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
        exceptions.OutOfMemoryError("OOM command not allowed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_went_away_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


PASSING = "BUSY CLUSTERDOWN LOADING MASTERDOWN MISCONF NOREPLICAS OOM READONLY TRYAGAIN UNBLOCKED"


@pytest.mark.parametrize("code", PASSING.split())
def test_a_redis_that_cannot_write_for_now_is_an_outage(code: str) -> None:
    reply = f"{code} for now."
    assert is_outage(_reply(reply))
    assert is_outage(_reply(f"EXECABORT Transaction discarded because of: {reply}"))
    in_pipeline = _reply(reply)
    Pipeline.annotate_exception(None, in_pipeline, 1, ("XADD", "s", "NOREPLICAS"))  # type: ignore[arg-type]
    assert is_outage(in_pipeline)


@pytest.mark.parametrize(
    "reply", ["WRONGTYPE Operation against a key", "ERR no NOREPLICAS here", "NOGROUP no"]
)
def test_any_other_reply_of_redis_is_none(reply: str) -> None:
    assert not is_transient(_reply(reply))
    in_pipeline = _reply(reply)
    command = ("XADD", "s", " of pipeline caused error: ('NOREPLICAS ")
    Pipeline.annotate_exception(None, in_pipeline, 1, command)  # type: ignore[arg-type]
    assert not is_transient(in_pipeline)


def _reply(text: str) -> Exception:
    """What redis-py makes of an error reply."""
    error = BaseParser.parse_error(text)  # type: ignore[no-untyped-call]
    assert isinstance(error, Exception)
    return error


def test_a_value_that_cannot_be_sent_to_postgres_is_no_outage() -> None:
    assert not is_transient(asyncpg.exceptions._base.DataError("invalid input for query argument $1"))


def test_a_locked_row_passes_and_a_broken_rule_does_not() -> None:
    locked, broken = asyncpg.LockNotAvailableError("lock timeout"), asyncpg.CheckViolationError("check")
    assert is_transient(locked)
    assert not is_outage(locked)
    assert not is_transient(broken)

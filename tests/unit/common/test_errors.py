"""Which errors are an outage: nobody is to blame, and everything waits."""

import asyncpg
import pytest
from redis import exceptions

from common.errors import is_outage, is_transient


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("connection is closed"),
        # Seen when Postgres was killed in mid-statement. It was counted as a failure of the handler.
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        exceptions.ConnectionError("Connection closed by server."),
        exceptions.OutOfMemoryError("OOM command not allowed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_went_away_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


def test_a_locked_row_passes_and_a_broken_rule_does_not() -> None:
    locked, broken = asyncpg.LockNotAvailableError("lock timeout"), asyncpg.CheckViolationError("check")
    assert is_transient(locked)
    assert not is_outage(locked)
    assert not is_transient(broken)

"""The job's one connection: its time limits, and the lock for which a second migration waits."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import psycopg
import sqlalchemy
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from common.connecting import VECTOR_SCHEMA
from common.database_url import parse
from common.refusals import BACKEND, ROUNDS, SHARED_SESSIONS
from takaro_schema.errors import MigrationFailed, MigrationRefused
from takaro_schema.history import Raw
from takaro_schema.settings import MigrationSettings

Report: TypeAlias = Callable[[str], None]

#: "takaro" in ASCII. Session-level: it covers every transaction of the job and ends with its connection.
LOCK_KEY = 0x74616B61726F

_SET = "SELECT set_config(%s, %s, false)"
_TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK = "SELECT pg_advisory_unlock(%s)"
_HOLDER = """
SELECT format('process %%s, %%s from %%s', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'),
              coalesce(host(a.client_addr), 'this machine'))
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND ((l.classid::bigint << 32) | l.objid::bigint) = %s
"""


@contextlib.contextmanager
def connect(database_url: str, settings: MigrationSettings) -> Iterator[Raw]:
    """A connection in autocommit mode with the time limits set.

    Raises:
        MigrationRefused: a pooler shares sessions.
        MigrationFailed: Postgres can't be reached, or refused a statement and the block didn't handle that.
    """
    arguments = parse(database_url).libpq_arguments()
    defaults = {"application_name": "takaro-migrate", "connect_timeout": "10"}

    def opened() -> Raw:
        return psycopg.connect(autocommit=True, **(defaults | arguments))  # type: ignore[arg-type]

    try:
        connection = opened()
    except psycopg.Error as error:
        raise MigrationFailed(f"no connection to the database: {str(error).strip()}") from error
    with contextlib.closing(connection):
        _refuse_shared_sessions(connection, opened)
        # Whatever the default of the server, the database or the role is.
        connection.execute(_SET, ["default_transaction_isolation", "read committed"])
        set_timeouts(connection, settings)
        connection.execute(VECTOR_SCHEMA)
        # Ends a long statement whose client was killed. Not every platform that Postgres runs on has it.
        with contextlib.suppress(psycopg.Error):
            connection.execute(_SET, ["client_connection_check_interval", "1s"])
        try:
            yield connection
        except (psycopg.Error, DBAPIError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise MigrationFailed(f"the database refused: {str(cause).strip()}") from error


def _backend(connection: Raw) -> int:
    row = connection.execute(BACKEND).fetchone()
    assert row is not None
    return int(row[0])


def _refuse_shared_sessions(first: Raw, open_another: Callable[[], Raw]) -> None:
    """Raise MigrationRefused if a pooler shares sessions: the migration lock and the time limits need one.

    See :func:`common.refusals.check_sessions`, which does the same for services.
    """
    if _backend(first) == first.info.backend_pid:
        return
    with contextlib.closing(open_another()) as second:
        pairs = [(_backend(first), _backend(second)) for _ in range(ROUNDS)]
    firsts, seconds = (set(backends) for backends in zip(*pairs, strict=True))
    if len(firsts) > 1 or len(seconds) > 1 or firsts & seconds:
        raise MigrationRefused(SHARED_SESSIONS)


def set_timeouts(connection: Raw, settings: MigrationSettings) -> None:
    """``lock_timeout`` and ``statement_timeout`` of the session."""
    connection.execute(_SET, ["lock_timeout", f"{int(settings.lock_timeout_seconds * 1000)}ms"])
    connection.execute(_SET, ["statement_timeout", f"{int(settings.statement_timeout_seconds * 1000)}ms"])


@contextlib.contextmanager
def migration_lock(connection: Raw, settings: MigrationSettings, report: Report) -> Iterator[None]:
    """Hold the migration lock for the block.

    It polls instead of waiting inside the server: CREATE INDEX CONCURRENTLY waits for every open transaction,
    so it would wait for one that waits for this lock, and both would wait forever.

    Raises:
        MigrationFailed: another migration still held it after ``wait_seconds``.
    """
    deadline = time.monotonic() + settings.wait_seconds
    waiting = False
    while not _one(connection, _TRY_LOCK):
        if time.monotonic() > deadline:
            raise MigrationFailed(
                f"another migration still runs after {settings.wait_seconds:g} s ({_holder(connection)}); "
                "nothing was changed. Run this again when it is done"
            )
        if not waiting:
            report(f"waiting for another migration to finish ({_holder(connection)})")
            waiting = True
        time.sleep(settings.poll_seconds)
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            connection.execute(_UNLOCK, [LOCK_KEY])


def _one(connection: Raw, statement: str) -> object:
    row = connection.execute(statement, [LOCK_KEY]).fetchone()
    return row and row[0]


def _holder(connection: Raw) -> str:
    return str(_one(connection, _HOLDER) or "it has just ended")


@contextlib.contextmanager
def sqlalchemy_connection(connection: Raw) -> Iterator[sqlalchemy.Connection]:
    """The same connection for Alembic, in transactions; back in autocommit mode afterwards.

    What runs on ``connection`` during a transaction of Alembic's belongs to that transaction.
    """
    # StaticPool hands out this one connection and leaves closing it to us.
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool
    )
    connection.autocommit = False
    try:
        with engine.connect() as alembic_connection:
            yield alembic_connection
    finally:
        if not connection.closed:
            connection.rollback()
            connection.autocommit = True

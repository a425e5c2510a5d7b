"""One revision up or down: its statements, Alembic's version and our record, in one transaction."""

import threading
import time
from collections.abc import Callable

import sqlalchemy
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from takaro_schema.errors import MigrationFailed
from takaro_schema.scripts import Revision
from takaro_schema.session import Report
from takaro_schema.settings import MigrationSettings

#: Alembic has one ``op`` for the whole process.
_OP = threading.Lock()


_IN_USE = (errors.LockNotAvailable, errors.DeadlockDetected)


def run_step(
    connection: sqlalchemy.Connection,
    revision: Revision,
    step: RevisionStep,
    settings: MigrationSettings,
    report: Report,
    *,
    before: Callable[[], None] | None = None,
    record: Callable[[], None],
) -> float:
    """Run ``before``, the step and ``record`` in one transaction; returns the seconds it took.

    If a table lock isn't granted in time, it tries again after a pause: waiting longer would hold up every
    statement that queues behind it for the same table. After a deadlock it tries again too.

    Raises:
        MigrationFailed: the database refused a statement. The revision was rolled back.
    """
    change = step.migration_fn

    def guarded() -> None:
        if before is not None:
            before()
        change()

    step.migration_fn = guarded
    for attempt in range(1, settings.lock_attempts + 1):
        started = time.monotonic()
        try:
            _run(connection, step, settings, record)
        except (DBAPIError, errors.Error) as error:
            connection.rollback()
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, _IN_USE) and attempt < settings.lock_attempts:
                pause = settings.lock_timeout_seconds
                report(f"{revision.name}: a table is in use, trying again in {pause:g} s")
                time.sleep(pause)
                continue
            raise MigrationFailed(_explain(revision, cause)) from error
        return time.monotonic() - started
    raise AssertionError("unreachable: the last attempt returns or raises")


def _run(
    connection: sqlalchemy.Connection,
    step: RevisionStep,
    settings: MigrationSettings,
    record: Callable[[], None],
) -> None:
    context = MigrationContext.configure(
        connection,
        opts={
            "transaction_per_migration": True,
            "fn": lambda heads, context: [step],
            "on_version_apply": (lambda **_: record(),),
            "migration_settings": settings,
        },
    )
    with _OP, Operations.context(context):
        context.run_migrations()


def _explain(revision: Revision, cause: BaseException | None) -> str:
    reason = str(cause).strip()
    if isinstance(cause, _IN_USE):
        reason = f"a table it changes stayed in use by others ({reason})"
    elif isinstance(cause, errors.QueryCanceled):
        reason = f"a statement ran longer than MIGRATION_STATEMENT_TIMEOUT_SECONDS ({reason})"
    return f"{revision.name} failed and was rolled back: {reason}. Run this again to continue from there"

"""Creating and dropping indexes in a revision, without blocking writers.

Neither can run in a transaction, so a revision that uses one must do nothing else: anything before it would
be committed without the revision's record. Both can be run again after a kill.
"""

import contextlib
from collections.abc import Iterator

import sqlalchemy
from alembic import op

from takaro_schema.settings import MigrationSettings

_IS_INVALID = sqlalchemy.text(
    "SELECT EXISTS (SELECT FROM pg_index "
    "WHERE indexrelid = to_regclass(quote_ident(:name)) AND NOT indisvalid)"
)


def create_index_concurrently(name: str, definition: str, *, unique: bool = False) -> None:
    """``CREATE INDEX CONCURRENTLY name ON definition``, such as ``"messages (role)"``.

    Drops the INVALID index of that name that a killed run left behind; drops its own when it fails.
    """
    create = f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}"
    with outside_transactions() as offline:
        if offline:
            op.execute(create)
            return
        _drop_invalid(name)
        try:
            op.execute(create)
        except BaseException:
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
                _drop_invalid(name)
            raise


def drop_index_concurrently(name: str) -> None:
    """``DROP INDEX CONCURRENTLY name``; does nothing if there is no such index."""
    with outside_transactions():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _drop_invalid(name: str) -> None:
    if op.get_bind().scalar(_IS_INVALID, {"name": name}):
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextlib.contextmanager
def outside_transactions(*, wait_for_locks: bool = True) -> Iterator[bool]:
    """Autocommit, with time limits for long work that blocks nobody. Yields whether SQL is only rendered.

    ``wait_for_locks``: without a limit, as the build of an index must. Otherwise the usual limit stays.
    """
    context = op.get_context()
    settings: MigrationSettings = context.opts.get("migration_settings") or MigrationSettings()
    with context.autocommit_block():
        lock_seconds = 0 if wait_for_locks else settings.lock_timeout_seconds
        _limit(lock_seconds=lock_seconds, statement_seconds=settings.index_timeout_seconds)
        try:
            yield context.as_sql
        finally:
            _limit(
                lock_seconds=settings.lock_timeout_seconds,
                statement_seconds=settings.statement_timeout_seconds,
            )


def _limit(*, lock_seconds: float, statement_seconds: float) -> None:
    op.execute(f"SET lock_timeout = '{int(lock_seconds * 1000)}ms'")
    op.execute(f"SET statement_timeout = '{int(statement_seconds * 1000)}ms'")

"""Changing the rows of a large table in a revision, in transactions of their own."""

from alembic import op

from takaro_schema.indexes import outside_transactions


def run_in_batches(*statements: str) -> None:
    """Run each statement outside a transaction, for up to ``MIGRATION_INDEX_TIMEOUT_SECONDS``.

    A ``DO`` block may commit as it goes on. Like an index that is built concurrently, what is done stays if
    the revision is killed. So a revision that uses this does nothing else, and all of it can run again.
    """
    with outside_transactions(wait_for_locks=False):
        for statement in statements:
            op.execute(statement)

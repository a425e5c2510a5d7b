"""Adopting a database that knex migrated: copies knex's history into ours, and runs nothing."""

from psycopg import errors

from takaro_schema import knex
from takaro_schema.errors import MigrationFailed
from takaro_schema.history import Raw, create_tables, insert_applied, insert_version
from takaro_schema.scripts import Chain
from takaro_schema.session import Report
from takaro_schema.state import knex_names


def adopt(connection: Raw, chain: Chain, report: Report) -> None:
    """Record what knex ran, batch by batch, in one transaction.

    Raises:
        MigrationRefused: knex's history is locked, partial, unknown or out of order, or the tables contradict
            it. Nothing was changed.
        MigrationFailed: knex is writing to its table. Nothing was changed.
    """
    expected = knex_names(chain)
    try:
        with connection.transaction():
            knex.check_unlocked(connection)
            knex.freeze(connection)
            knex.check_unlocked(connection)
            rows = knex.list_rows(connection)
            knex.check_rows(rows, expected)
            knex.check_tables(connection)
            create_tables(connection)
            for revision, row in zip(chain.revisions, rows, strict=False):
                assert row.batch is not None
                insert_applied(
                    connection,
                    revision.id,
                    revision.name,
                    row.batch,
                    applied_at=row.migration_time,
                    adopted_from=row.name,
                )
            insert_version(connection, knex.LAST_REVISION)
    except errors.LockNotAvailable as error:
        raise MigrationFailed(
            "knex_migrations is in use: the Node application is migrating. Nothing was changed; "
            "run this again when it is done"
        ) from error
    batches = sorted({row.batch for row in rows if row.batch is not None})
    report(
        f"adopted {len(rows)} migrations that knex ran, {rows[0].name} to {rows[-1].name}, "
        f"with {'its batch' if len(batches) == 1 else 'its batches'} {', '.join(map(str, batches))}; "
        "nothing was run, knex_migrations is as it was"
    )

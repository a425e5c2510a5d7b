"""What a rollback would lose: rows in the tables, and values in the columns, that it drops."""

from collections.abc import Sequence

from psycopg import sql

from takaro_schema.history import Raw, existing_tables
from takaro_schema.scripts import Revision

_COLUMN_EXISTS = """
SELECT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass(quote_ident(%s)) AND attname = %s AND NOT attisdropped
)
"""
_TABLE_HOLDS_ROWS = sql.SQL("SELECT EXISTS (SELECT FROM {table})")
_COLUMN_HOLDS_VALUES = sql.SQL("SELECT EXISTS (SELECT FROM {table} WHERE {column} IS NOT NULL)")
_LOCK_TABLE = sql.SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


def find_losses(connection: Raw, revisions: Sequence[Revision]) -> list[str]:
    """Which tables and columns that the revisions' downgrades drop hold rows or values.

    A default counts as a value: a default that was written looks like one that was filled in.
    """
    held = sorted({name for revision in revisions for name in revision.holds})
    tables = [name for name in held if "." not in name]
    losses = [name for name in existing_tables(connection, tables) if _table_holds_rows(connection, name)]
    for name in held:
        table, _, column = name.partition(".")
        if column and table not in tables and _column_holds_values(connection, table, column):
            losses.append(name)
    return losses


def lock_held_tables(connection: Raw, revision: Revision) -> None:
    """Lock the tables that the revision's downgrade drops or changes, until the transaction ends."""
    for table in existing_tables(connection, sorted({name.partition(".")[0] for name in revision.holds})):
        connection.execute(_LOCK_TABLE.format(table=sql.Identifier(table)))


def _table_holds_rows(connection: Raw, table: str) -> bool:
    row = connection.execute(_TABLE_HOLDS_ROWS.format(table=sql.Identifier(table))).fetchone()
    return bool(row and row[0])


def _column_holds_values(connection: Raw, table: str, column: str) -> bool:
    exists = connection.execute(_COLUMN_EXISTS, [table, column]).fetchone()
    if not (exists and exists[0]):
        return False
    statement = _COLUMN_HOLDS_VALUES.format(table=sql.Identifier(table), column=sql.Identifier(column))
    row = connection.execute(statement).fetchone()
    return bool(row and row[0])

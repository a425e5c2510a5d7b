"""Finds rows of a user in any table, by the names of the columns that hold users' ids."""

from collections.abc import Mapping, Sequence

from common.postgres import Connection

OWNER_COLUMNS = ("user_id", "owner", "owner_id", "requested_by", "set_by")
"""The names of columns that hold users' ids. ``leases.owner`` is a process."""
NOT_USERS = frozenset({("leases", "owner")})

LIST_OWNER_COLUMNS = """
SELECT c.relname::text AS name, a.attname::text AS owner
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND a.attname = ANY($1::text[])
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
ORDER BY 1, 2
"""

EXISTS = "SELECT to_regclass($1) IS NOT NULL"
COUNT_AT_MOST = 1_000_000


async def list_owner_columns(connection: Connection) -> Sequence[tuple[str, str]]:
    """Every table of the schema that has a column for a user's id, with that column."""
    rows = await connection.fetch(LIST_OWNER_COLUMNS, OWNER_COLUMNS)
    return [(row["name"], row["owner"]) for row in rows if (row["name"], row["owner"]) not in NOT_USERS]


async def count_rows(connection: Connection, table: str, column: str, user_id: str) -> int:
    """How many rows of a table are of a user; counting ends at :data:`COUNT_AT_MOST`."""
    statement = f'SELECT count(*) FROM (SELECT FROM "{table}" WHERE "{column}" = $1 LIMIT $2) AS found'  # noqa: S608
    return int(await connection.fetchval(statement, user_id, COUNT_AT_MOST, timeout=300))


async def delete_rows(
    connection: Connection, tables: Mapping[str, str], user_id: str, limit: int
) -> dict[str, int]:
    """Delete up to ``limit`` of a user's rows in the first of these tables (with the column of their owner)
    that has any. Returns their number by table. A table that the schema doesn't have yet is passed over."""
    for table, column in tables.items():
        if not await connection.fetchval(EXISTS, table):
            continue
        statement = (
            f'DELETE FROM "{table}" WHERE ctid = ANY (ARRAY('  # noqa: S608 - names of ours
            f'SELECT ctid FROM "{table}" WHERE "{column}" = $1 LIMIT $2 FOR UPDATE))'
        )
        status: str = await connection.execute(statement, user_id, limit)
        if deleted := int(status.rpartition(" ")[2]):
            return {table: deleted}
    return {}

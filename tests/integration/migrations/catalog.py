"""What is in a database, as text that two databases can be compared by."""

from collections.abc import Sequence

import psycopg
from psycopg import sql

BOOKKEEPING = (
    "alembic_version",
    "knex_migrations",
    "knex_migrations_id_seq",
    "knex_migrations_lock",
    "knex_migrations_lock_index_seq",
    "schema_migrations",
)

_RELATIONS = """
SELECT format('%%s %%s %%s %%s', c.relkind, c.relname, c.relpersistence, c.reloptions)
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'c')
"""
_COLUMNS = """
SELECT format(
    'column %%s.%%s at %%s: %%s null %%s default %%s identity %%s generated %%s storage %%s collation %%s',
    c.relname, a.attname, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
    format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
    a.attidentity, a.attgenerated, a.attstorage, a.attcollation::regcollation)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
"""
_INDEXES = """
SELECT format('index %%s valid %%s options %%s', pg_get_indexdef(i.indexrelid), i.indisvalid, x.reloptions)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_class AS x ON x.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace
"""
_CONSTRAINTS = """
SELECT format('constraint %%s.%%s %%s valid %%s',
    c.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace
"""
_TRIGGERS = """
SELECT format('trigger %%s enabled %%s', pg_get_triggerdef(t.oid), t.tgenabled)
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
"""
_FUNCTIONS = """
SELECT format('function %%s', pg_get_functiondef(p.oid))
FROM pg_proc AS p LEFT JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p') AND d.objid IS NULL
"""
_OWN_TABLES = "AND c.relname <> ALL (%s::text[])"


def catalog(database_url: str) -> list[str]:
    """Tables, columns in order, indexes, constraints, triggers and functions, without the bookkeeping."""
    with psycopg.connect(database_url) as connection:
        # Deparsing leaves out schemas on the search path.
        connection.execute("SET search_path = public")
        lines = [str(line) for (line,) in connection.execute(_FUNCTIONS.replace("%%", "%"))]
        for query in (_RELATIONS, _COLUMNS, _INDEXES, _CONSTRAINTS, _TRIGGERS):
            lines += [str(line) for (line,) in connection.execute(query + _OWN_TABLES, [list(BOOKKEEPING)])]
    return sorted(lines)


def table_names(database_url: str) -> set[str]:
    """Every ordinary table, bookkeeping included."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows}


def held_by(database_url: str) -> set[str]:
    """Tables and ``table.column`` s, without the bookkeeping: what a downgrade may lose."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
        return {
            name
            for table, column in rows
            if table not in BOOKKEEPING
            for name in (table, f"{table}.{column}")
        }


_ROWS = sql.SQL("SELECT ctid::text, xmin::text, t::text FROM {} AS t ORDER BY ctid")


def physical_rows(database_url: str, tables: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """Each row with its place and the transaction that wrote it: even an UPDATE to the same values shows."""
    with psycopg.connect(database_url) as connection:
        return {table: connection.execute(_ROWS.format(sql.Identifier(table))).fetchall() for table in tables}


def history(database_url: str) -> list[tuple[str, int, str | None]]:
    """Our record: revision, batch, and knex's name of it."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT revision, batch, adopted_from FROM schema_migrations ORDER BY revision"
        ).fetchall()


def alembic_version(database_url: str) -> list[str]:
    """Alembic's record."""
    with psycopg.connect(database_url) as connection:
        return [version for (version,) in connection.execute("SELECT version_num FROM alembic_version")]


def execute(database_url: str, statement: str) -> None:
    """Run one statement and commit it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)

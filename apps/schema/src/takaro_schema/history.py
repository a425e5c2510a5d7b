"""``schema_migrations``: which revision was applied when, in which batch, and which were adopted from knex.

Alembic's own ``alembic_version`` is written in the same transactions; the two must agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import class_row

Raw: TypeAlias = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True, frozen=True)
class Applied:
    """``adopted_from`` is the file name that knex recorded, for a revision that knex ran."""

    revision: str
    name: str
    batch: int
    applied_at: datetime
    adopted_from: str | None


_CREATE_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        revision text PRIMARY KEY,
        name text NOT NULL,
        batch integer NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        adopted_from text
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS alembic_version (
        version_num varchar(32) NOT NULL,
        CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
    """,
)


def create_tables(connection: Raw) -> None:
    """Create the tables that are missing, in one transaction."""
    with connection.transaction():
        for statement in _CREATE_TABLES:
            connection.execute(statement)


_EXISTING = """
SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(quote_ident(name)) IS NOT NULL ORDER BY name
"""


def existing_tables(connection: Raw, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that are tables on the search path."""
    return [name for (name,) in connection.execute(_EXISTING, [list(names)])]


_LIST = "SELECT revision, name, batch, applied_at, adopted_from FROM schema_migrations ORDER BY revision"


def list_applied(connection: Raw) -> list[Applied]:
    with connection.cursor(row_factory=class_row(Applied)) as cursor:
        return cursor.execute(_LIST).fetchall()


_INSERT = """
INSERT INTO schema_migrations (revision, name, batch, applied_at, adopted_from)
VALUES (%s, %s, %s, coalesce(%s, now()), %s)
"""


def insert_applied(
    connection: Raw,
    revision: str,
    name: str,
    batch: int,
    *,
    applied_at: datetime | None = None,
    adopted_from: str | None = None,
) -> None:
    connection.execute(_INSERT, [revision, name, batch, applied_at, adopted_from])


_DELETE = "DELETE FROM schema_migrations WHERE revision = %s"


def delete_applied(connection: Raw, revision: str) -> None:
    connection.execute(_DELETE, [revision])


_VERSION = "SELECT version_num FROM alembic_version ORDER BY version_num"


def list_versions(connection: Raw) -> list[str]:
    """What Alembic has recorded: one revision, or none in an empty database."""
    return [version for (version,) in connection.execute(_VERSION)]


_INSERT_VERSION = "INSERT INTO alembic_version (version_num) VALUES (%s)"


def insert_version(connection: Raw, revision: str) -> None:
    """Tell Alembic that the database is at ``revision`` without running anything."""
    connection.execute(_INSERT_VERSION, [revision])

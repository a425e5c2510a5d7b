"""The history of a database that knex migrated: read and checked, never written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from takaro_schema.errors import MigrationRefused
from takaro_schema.history import Raw, existing_tables

#: knex ran 001 to 010. Later revisions are ours and are never written to knex's table.
LAST_REVISION = "010"
TABLES = (
    "cockpit_sessions",
    "conversations",
    "custom_agents",
    "knowledge_embeddings",
    "knowledge_sync_state",
    "messages",
)
DROPPED_TABLES = ("user_api_keys", "user_claude_tokens")


@dataclass(slots=True, frozen=True)
class KnexRow:
    name: str
    batch: int | None
    migration_time: datetime | None

    @property
    def stem(self) -> str:
        """``001_initial`` for ``001_initial.ts`` and ``001_initial.js``. Other endings stay, as unknown."""
        return self.name[:-3] if self.name.endswith((".ts", ".js")) else self.name


_LIST = "SELECT name, batch, migration_time FROM knex_migrations ORDER BY id"


def list_rows(connection: Raw) -> list[KnexRow]:
    """What knex recorded, in that order."""
    with connection.cursor(row_factory=class_row(KnexRow)) as cursor:
        return cursor.execute(_LIST).fetchall()


_LOCKED = "SELECT count(*) > 0 FROM knex_migrations_lock WHERE is_locked <> 0"


def is_locked(connection: Raw) -> bool:
    """Whether knex's own lock is held: it is migrating, or was killed while it did."""
    if not existing_tables(connection, ["knex_migrations_lock"]):
        return False
    row = connection.execute(_LOCKED).fetchone()
    return bool(row and row[0])


# A knex that starts now waits, so its rows don't change.
_FREEZE = "LOCK TABLE knex_migrations IN SHARE MODE"


def freeze(connection: Raw) -> None:
    """Keep knex's history unchanged until the transaction ends."""
    connection.execute(_FREEZE)


def check_unlocked(connection: Raw) -> None:
    """Refuse while knex's lock is held."""
    if is_locked(connection):
        raise MigrationRefused(
            "knex_migrations_lock is locked: the Node application is migrating, or was stopped while it did. "
            "Wait for it. If it isn't running, check the schema, release the lock there with "
            "`npx knex migrate:unlock`, and run this again"
        )


def check_rows(rows: Sequence[KnexRow], expected: Sequence[str]) -> None:
    """Refuse any history other than exactly ``expected`` (names without endings), in order."""
    known = set(expected)
    names = [row.stem for row in rows]
    if unknown := [row.name for row in rows if row.stem not in known]:
        raise MigrationRefused(
            f"knex_migrations names what this version doesn't know: {', '.join(unknown)}. Use a version that "
            "knows it, or roll it back with the Node application (`npm run db:rollback`), then run this again"
        )
    if missing := [name for name in expected if name not in names]:
        raise MigrationRefused(
            f"knex_migrations holds {len(rows)} of {len(expected)} migrations; "
            f"missing: {', '.join(missing)}. Let the Node application finish "
            "(`npm run db:migrate`), then run this again"
        )
    if names != list(expected):
        raise MigrationRefused(
            "knex_migrations holds its migrations twice or out of order: "
            f"{', '.join(row.name for row in rows)}. That doesn't say what the schema is: compare it with a "
            "fresh database's, correct knex_migrations by hand, and run this again"
        )
    batches = [row.batch for row in rows if row.batch is not None]
    if len(batches) != len(rows) or batches != sorted(batches):
        raise MigrationRefused(
            "the batches in knex_migrations are empty or run backwards: "
            f"{', '.join(f'{row.name} in {row.batch}' for row in rows)}. Correct them, then run this again"
        )


def check_tables(connection: Raw) -> None:
    """Refuse if the tables aren't those that the recorded history creates."""
    found = existing_tables(connection, TABLES)
    if missing := [name for name in TABLES if name not in found]:
        raise MigrationRefused(
            f"knex_migrations says that all of knex's migrations ran, but tables are missing: "
            f"{', '.join(missing)}. Restore them from a backup, or use an empty database"
        )
    if left := existing_tables(connection, DROPPED_TABLES):
        raise MigrationRefused(
            f"knex_migrations says that all of knex's migrations ran, but tables they drop are still here: "
            f"{', '.join(left)}. Drop them once their rows are safe, then run this again"
        )

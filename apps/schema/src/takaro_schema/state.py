"""What state a database is in, found out before anything is changed."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from takaro_schema import knex
from takaro_schema.errors import MigrationRefused
from takaro_schema.history import Applied, Raw, existing_tables, list_applied, list_versions
from takaro_schema.scripts import Chain, Revision


class Kind(enum.Enum):
    EMPTY = "empty"  # no history and none of our tables
    OURS = "ours"  # schema_migrations says what was applied
    KNEX = "knex"  # knex migrated it, and it isn't adopted yet


@dataclass(slots=True, frozen=True)
class State:
    """``applied`` is a prefix of the chain; ``pending`` the rest of it."""

    kind: Kind
    applied: tuple[Applied, ...]
    pending: tuple[Revision, ...]

    @property
    def last_batch(self) -> tuple[Applied, ...]:
        """The newest batch, in the order in which it was applied."""
        newest = max((row.batch for row in self.applied), default=0)
        return tuple(row for row in self.applied if row.batch == newest)

    @property
    def next_batch(self) -> int:
        """The number of the batch that a migration would create."""
        return max((row.batch for row in self.applied), default=0) + 1


def inspect(connection: Raw, chain: Chain) -> State:
    """Read the state. Changes nothing.

    Raises:
        MigrationRefused: the history is newer than this code, contradicts itself or the tables, or is gone.
    """
    applied = _ours(connection)
    if applied:
        _check_ours(connection, applied, chain)
        return State(Kind.OURS, tuple(applied), chain.revisions[len(applied) :])
    ours = existing_tables(connection, chain.tables())
    if existing_tables(connection, ["knex_migrations"]) and (ours or applied is None):
        return State(Kind.KNEX, (), chain.revisions)
    if ours:
        raise MigrationRefused(
            f"tables are here without any record of what made them: {', '.join(ours)}. Use an empty "
            "database, or restore its history (schema_migrations, or knex_migrations of the Node application)"
        )
    return State(Kind.EMPTY, (), chain.revisions)


def _ours(connection: Raw) -> list[Applied] | None:
    """Our own history; ``None`` when this database never had one."""
    found = existing_tables(connection, ["alembic_version", "schema_migrations"])
    applied = list_applied(connection) if "schema_migrations" in found else None
    versions = list_versions(connection) if "alembic_version" in found else []
    recorded = [applied[-1].revision] if applied else []
    if versions != recorded:
        raise MigrationRefused(
            f"alembic_version says {', '.join(versions) or 'nothing'}, schema_migrations "
            f"{', '.join(recorded) or 'nothing'}: something else wrote to one of them. Make them agree with "
            "the schema, then run this again"
        )
    return applied


def _check_ours(connection: Raw, applied: Sequence[Applied], chain: Chain) -> None:
    unknown = [row.name for row in applied if row.revision not in chain.ids]
    if unknown:
        raise MigrationRefused(
            f"the database is newer than this version, whose newest revision is {chain.head}; it also has "
            f"{', '.join(unknown)}. Use the version that added them (services run on a newer "
            "schema as usual)"
        )
    revisions = tuple(row.revision for row in applied)
    if revisions != chain.ids[: len(revisions)]:
        missing = [
            revision for revision in chain.ids[: chain.ids.index(revisions[-1])] if revision not in revisions
        ]
        raise MigrationRefused(
            f"schema_migrations has {revisions[-1]}, but not {', '.join(missing)} before it. "
            "Correct it by hand"
        )
    if any(row.adopted_from for row in applied) and existing_tables(connection, ["knex_migrations"]):
        try:
            knex.check_rows(knex.list_rows(connection), knex_names(chain))
        except MigrationRefused as error:
            raise MigrationRefused(f"knex's history has changed since it was adopted: {error}") from error


def knex_names(chain: Chain) -> list[str]:
    """The names, without endings, of the revisions that knex ran."""
    return [revision.name for revision in chain.revisions if revision.id <= knex.LAST_REVISION]

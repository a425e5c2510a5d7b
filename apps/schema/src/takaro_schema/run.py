"""Applying missing revisions as one batch, and taking the last batch back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from common.readiness import current_revision, is_at_least
from takaro_schema.adopt import adopt
from takaro_schema.errors import ForceNeeded, MigrationError, MigrationFailed, MigrationRefused
from takaro_schema.history import Applied, Raw, create_tables, delete_applied, insert_applied
from takaro_schema.loss import find_losses, list_declared_bases, lock_held_tables
from takaro_schema.scripts import Chain, Revision, head_revision, load
from takaro_schema.session import Report, connect, migration_lock, sqlalchemy_connection
from takaro_schema.settings import MigrationSettings
from takaro_schema.state import Kind, State, inspect
from takaro_schema.step import run_step

__all__ = [
    "ForceNeeded",
    "MigrationError",
    "MigrationFailed",
    "MigrationRefused",
    "Report",
    "RollbackPlan",
    "current_revision",
    "head_revision",
    "is_at_least",
    "migrate",
    "plan_rollback",
    "rollback",
    "status",
]


def _silent(_: str) -> None:
    """The report that goes nowhere."""


@dataclass(slots=True, frozen=True)
class RollbackPlan:
    """The last batch, newest revision first, and why taking it back needs ``force``, if it does."""

    batch: int
    revisions: tuple[Applied, ...]
    losses: tuple[str, ...]

    @property
    def adopted(self) -> tuple[Applied, ...]:
        """The revisions that knex ran."""
        return tuple(row for row in self.revisions if row.adopted_from)

    @property
    def needs_force(self) -> bool:
        """Whether it would lose what users made, or knex ran part of it."""
        return bool(self.losses or self.adopted)

    def reasons(self) -> list[str]:
        """Each reason why it needs ``force``, as a sentence."""
        reasons = []
        if self.losses:
            reasons.append(f"these hold rows that would be lost: {', '.join(self.losses)}")
        if self.adopted:
            reasons.append(
                f"{len(self.adopted)} of them were run by knex, whose own history stays as it is: the Node "
                "application still takes them as applied"
            )
        return reasons


def migrate(
    database_url: str,
    *,
    report: Report = _silent,
    settings: MigrationSettings | None = None,
    chain: Chain | None = None,
) -> list[str]:
    """Apply every missing revision as one batch, each in its own transaction with its record.

    Adopts a database that knex migrated first. Waits while another migration of this database runs.

    Returns:
        The ids of the revisions that this call applied, oldest first; empty when there was nothing to do.

    Raises:
        MigrationRefused: the database's history is unknown or contradicts itself; nothing was changed.
        MigrationFailed: a revision failed; those before it stay applied.
    """
    settings = settings or MigrationSettings()
    chain = chain or load()
    with _exclusive(database_url, settings, report) as connection:
        state = inspect(connection, chain)
        if state.kind is Kind.KNEX:
            adopt(connection, chain, report)
            state = inspect(connection, chain)
        if not state.pending:
            report(f"nothing to do: the schema is at {chain.head}, the newest revision")
            return []
        _apply(connection, chain, state, settings, report)
        return [revision.id for revision in state.pending]


def _apply(connection: Raw, chain: Chain, state: State, settings: MigrationSettings, report: Report) -> None:
    create_tables(connection)
    batch = state.next_batch
    report(f"batch {batch}: {_count(len(state.pending))} to apply")
    with sqlalchemy_connection(connection) as alembic:
        for revision in state.pending:

            def record(revision: Revision = revision) -> None:
                insert_applied(connection, revision.id, revision.name, batch)

            seconds = run_step(
                alembic, revision, chain.upgrade_step(revision), settings, report, record=record
            )
            report(f"applied {revision.name} ({seconds * 1000:.0f} ms)")
    report(f"batch {batch} is done: the schema is at {chain.head}")


def plan_rollback(
    database_url: str, *, settings: MigrationSettings | None = None, chain: Chain | None = None
) -> RollbackPlan | None:
    """What ``rollback`` would take back now; ``None`` if no batch is left. Changes nothing."""
    settings = settings or MigrationSettings()
    with connect(database_url, settings) as connection:
        return _plan(connection, chain or load())


def _plan(connection: Raw, chain: Chain) -> RollbackPlan | None:
    state = inspect(connection, chain)
    if state.kind is Kind.KNEX:
        raise MigrationRefused(
            "knex migrated this database and nothing was adopted yet: roll its batch back with the Node "
            "application (`npm run db:rollback`), or adopt it with `takaro migrate` first"
        )
    rows = state.last_batch[::-1]
    if not rows:
        return None
    revisions = [chain.get(row.revision) for row in rows]
    losses = find_losses(connection, revisions, list_declared_bases(connection))
    return RollbackPlan(rows[0].batch, rows, tuple(losses))


def rollback(
    database_url: str,
    *,
    force: bool = False,
    report: Report = _silent,
    expected: RollbackPlan | None = None,
    settings: MigrationSettings | None = None,
    chain: Chain | None = None,
) -> list[str]:
    """Take the last batch back, newest revision first, each in its own transaction with its record.

    Args:
        force: even if rows would be lost, or knex ran part of the batch.
        expected: the plan that a person agreed to. If the last batch has changed since, it is refused.

    Returns:
        The ids of the revisions taken back, newest first; empty when there was nothing to take back.

    Raises:
        ForceNeeded: it needs ``force``. Nothing was changed, unless rows were added while it ran.
        MigrationRefused: the database's history is unknown or contradicts itself; nothing was changed.
        MigrationFailed: a revision failed; those before it stay taken back.
    """
    settings = settings or MigrationSettings()
    chain = chain or load()
    with _exclusive(database_url, settings, report) as connection:
        plan = _plan(connection, chain)
        if expected is not None and (plan is None or plan.revisions != expected.revisions):
            raise MigrationRefused(
                "another program changed the last batch meanwhile: look at it and run this again"
            )
        if plan is None:
            report("nothing to take back: no batch is left")
            return []
        if plan.needs_force and not force:
            raise ForceNeeded(
                f"batch {plan.batch} was not taken back: {'; '.join(plan.reasons())}. Add --force to "
                "take it back anyway"
            )
        _take_back(connection, chain, plan, settings, report, force=force)
        return [row.revision for row in plan.revisions]


def _take_back(
    connection: Raw,
    chain: Chain,
    plan: RollbackPlan,
    settings: MigrationSettings,
    report: Report,
    *,
    force: bool,
) -> None:
    report(f"batch {plan.batch}: {_count(len(plan.revisions))} to take back")
    declared = list_declared_bases(connection)
    with sqlalchemy_connection(connection) as alembic:
        for row in plan.revisions:
            revision = chain.get(row.revision)

            def before(revision: Revision = revision) -> None:
                if not force:
                    _check_still_empty(connection, revision, declared)

            def record(revision: Revision = revision) -> None:
                delete_applied(connection, revision.id)

            step = chain.downgrade_step(revision)
            seconds = run_step(alembic, revision, step, settings, report, before=before, record=record)
            report(f"took back {revision.name} ({seconds * 1000:.0f} ms)")
    report(f"batch {plan.batch} is taken back")


def _check_still_empty(connection: Raw, revision: Revision, declared: Sequence[str]) -> None:
    """Rows may have been added since the plan was made. Under the lock, none can be."""
    lock_held_tables(connection, revision)
    if losses := find_losses(connection, [revision], declared):
        raise ForceNeeded(
            f"{revision.name} was not taken back: rows were added meanwhile to {', '.join(losses)}. Stop "
            "what writes them, or add --force to lose them"
        )


def status(
    database_url: str, *, settings: MigrationSettings | None = None, chain: Chain | None = None
) -> State:
    """What is applied and what is pending. Changes nothing, and doesn't wait for the migration lock.

    Raises:
        MigrationRefused: the database's history is unknown or contradicts itself.
    """
    with connect(database_url, settings or MigrationSettings()) as connection:
        return inspect(connection, chain or load())


@contextmanager
def _exclusive(database_url: str, settings: MigrationSettings, report: Report) -> Iterator[Raw]:
    with connect(database_url, settings) as connection, migration_lock(connection, settings, report):
        yield connection


def _count(number: int) -> str:
    return "1 revision" if number == 1 else f"{number} revisions"

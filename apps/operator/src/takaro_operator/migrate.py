"""``takaro migrate``, ``takaro rollback`` and ``takaro schema``: what they print and ask.

Exit status: 0 done or nothing to do, 1 failed on the way, 2 refused with nothing changed.
"""

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from backbone.validation import explain
from common import database_url as addresses
from takaro_operator.errors import FAILED, REFUSED
from takaro_operator.output import make_table, screen
from takaro_schema import run
from takaro_schema.errors import ForceNeeded, MigrationFailed, MigrationRefused
from takaro_schema.history import Applied
from takaro_schema.settings import MigrationSettings
from takaro_schema.state import Kind, State

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="Instead of DATABASE_URL.", show_default=False)
]


def migrate(database_url: DatabaseUrl = None) -> None:
    """Apply every missing revision of the schema, as one batch."""
    settings = _settings(database_url)
    with _errors_explained():
        run.migrate(settings.database_url, report=_report, settings=settings)


def rollback(
    force: Annotated[
        bool, typer.Option("--force", help="Even if rows are lost or knex ran part of it; asks nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Take back the last batch of the schema, after listing its revisions."""
    settings = _settings(database_url)
    with _errors_explained():
        plan = run.plan_rollback(settings.database_url, settings=settings)
        if plan is None:
            _report("nothing to take back: no batch is left")
            return
        screen().print(_plan_table(plan))
        if not plan.needs_force and not (force or yes) and _on_terminal():
            typer.confirm("Take it back?", abort=True)
        run.rollback(settings.database_url, force=force, report=_report, expected=plan, settings=settings)


def status(
    check: Annotated[
        bool, typer.Option("--check", help="Print nothing; exit with 1 if a revision is missing.")
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Show which revisions are applied, and which are missing.

    An applied one is shown with its batch and its time.
    """
    settings = _settings(database_url)
    with _errors_explained():
        state = run.status(settings.database_url, settings=settings)
        if check:
            raise typer.Exit(FAILED if state.pending else 0)
        screen().print(_state_table(state))
        if state.kind is Kind.KNEX:
            _report("knex migrated this database; `takaro migrate` adopts it without running anything again")
        elif state.pending:
            _report(f"{len(state.pending)} missing: run `takaro migrate`")


def _settings(database_url: str | None) -> MigrationSettings:
    """The settings, or the end with one line if one of them is wrong."""
    try:
        settings = MigrationSettings()
        if not database_url:
            return settings
        return settings.model_copy(update={"database_url": addresses.check(database_url)})
    except ValidationError as error:
        _complain(f"a setting is wrong: {explain(error.errors(include_url=False))}")
    except ValueError as error:
        _complain(f"--database-url: {error}")
    raise typer.Exit(REFUSED)


def _report(line: str) -> None:
    screen().print(Text(line))


def _complain(message: str) -> None:
    """Unlike other messages, Postgres's own can have several lines."""
    screen(errors=True).print(Text(message, style="bold red"))


def _plan_table(plan: run.RollbackPlan) -> Table:
    table = make_table(f"Batch {plan.batch}, the last", "revision", "applied", "knex's name")
    for row in plan.revisions:
        table.add_row(row.name, _time(row), row.adopted_from or "")
    return table


def _state_table(state: State) -> Table:
    current = state.applied[-1].revision if state.applied else "none"
    table = make_table(
        f"Schema at {current}, head {run.head_revision()}", "revision", "batch", "applied", "knex's name"
    )
    for row in state.applied:
        table.add_row(row.name, str(row.batch), _time(row), row.adopted_from or "")
    for revision in state.pending:
        table.add_row(revision.name, "", "missing", "", style="yellow")
    return table


def _time(row: Applied) -> str:
    return f"{row.applied_at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextlib.contextmanager
def _errors_explained() -> Iterator[None]:
    """Print the message on the error stream and end with its status, instead of a traceback."""
    try:
        yield
    except MigrationRefused as error:
        kind = "needs --force" if isinstance(error, ForceNeeded) else "refused"
        _complain(f"{kind}: {error}")
        raise typer.Exit(REFUSED) from error
    except MigrationFailed as error:
        _complain(f"failed: {error}")
        raise typer.Exit(FAILED) from error

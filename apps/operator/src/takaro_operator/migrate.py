"""``takaro migrate``, ``takaro rollback`` and ``takaro schema``: what they print and ask.

Exit status: 0 done or nothing to do, 1 failed on the way, 2 refused with nothing changed.
"""

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from takaro_schema import run
from takaro_schema.errors import ForceNeeded, MigrationFailed, MigrationRefused
from takaro_schema.history import Applied
from takaro_schema.settings import MigrationSettings
from takaro_schema.state import Kind, State

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="Instead of DATABASE_URL.", show_default=False)
]
FAILED, REFUSED = 1, 2


def migrate(database_url: DatabaseUrl = None) -> None:
    """Apply every missing revision of the schema, as one batch."""
    console, settings = _start(database_url)
    with _errors_explained():
        run.migrate(settings.database_url, report=_reporter(console), settings=settings)


def rollback(
    force: Annotated[
        bool, typer.Option("--force", help="Also when rows are lost or knex ran it; asks nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Take back the last batch of the schema, after naming it."""
    console, settings = _start(database_url)
    report = _reporter(console)
    with _errors_explained():
        plan = run.plan_rollback(settings.database_url, settings=settings)
        if plan is None:
            report("nothing to take back: no batch is left")
            return
        _print_plan(console, plan)
        if not plan.needs_force and not (force or yes) and _on_terminal():
            typer.confirm("Take it back?", abort=True)
        run.rollback(settings.database_url, force=force, report=report, expected=plan, settings=settings)


def status(
    check: Annotated[bool, typer.Option("--check", help="Say nothing; exit 1 when one is missing.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Show which revisions are applied, in which batch, and which are missing."""
    console, settings = _start(database_url)
    with _errors_explained():
        state = run.status(settings.database_url, settings=settings)
        if check:
            raise typer.Exit(FAILED if state.pending else 0)
        console.print(_state_table(state))
        if state.kind is Kind.KNEX:
            _reporter(console)(
                "knex migrated this database; `takaro migrate` adopts it without running them again"
            )
        elif state.pending:
            _reporter(console)(f"{len(state.pending)} missing: run `takaro migrate`")


def _start(database_url: str | None) -> tuple[Console, MigrationSettings]:
    settings = MigrationSettings()
    if database_url:
        settings = settings.model_copy(update={"database_url": database_url})
    # Into a pipe or a log there is no width to fold names at.
    width = None if sys.stdout.isatty() else 120
    return Console(soft_wrap=True, width=width), settings


def _reporter(console: Console) -> run.Report:
    def report(line: str) -> None:
        console.print(line, markup=False)

    return report


def _print_plan(console: Console, plan: run.RollbackPlan) -> None:
    table = _table(f"Batch {plan.batch}, the last", "revision", "applied", "knex's name")
    for row in plan.revisions:
        table.add_row(row.name, _time(row), row.adopted_from or "")
    console.print(table)


def _state_table(state: State) -> Table:
    current = state.applied[-1].revision if state.applied else "none"
    table = _table(
        f"Schema at {current}, head {run.head_revision()}", "revision", "batch", "applied", "knex's name"
    )
    for row in state.applied:
        table.add_row(row.name, str(row.batch), _time(row), row.adopted_from or "")
    for revision in state.pending:
        table.add_row(revision.name, "", "missing", "", style="yellow")
    return table


def _table(title: str, *headings: str) -> Table:
    # A narrow terminal folds names and hides none.
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _time(row: Applied) -> str:
    return f"{row.applied_at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextlib.contextmanager
def _errors_explained() -> Iterator[None]:
    """The message on the error stream and the exit status, instead of a traceback."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        yield
    except MigrationRefused as error:
        kind = "needs --force" if isinstance(error, ForceNeeded) else "refused"
        errors.print(f"{kind}: {error}", style="bold red", markup=False)
        raise typer.Exit(REFUSED) from error
    except MigrationFailed as error:
        errors.print(f"failed: {error}", style="bold red", markup=False)
        raise typer.Exit(FAILED) from error

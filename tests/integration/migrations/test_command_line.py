"""``takaro migrate``, ``rollback`` and ``schema``: what is printed, asked and returned."""

import os
import pty
import select
from pathlib import Path

import psycopg
import typer
from typer.testing import CliRunner, Result

from takaro_operator import migrate as migrate_commands
from takaro_schema.run import migrate, status
from takaro_schema.scripts import load
from tests.support.forks import Fork

from .conftest import KnexDatabase

CHAIN = load()
app = typer.Typer()
app.command("migrate")(migrate_commands.migrate)
app.command("rollback")(migrate_commands.rollback)
app.command("schema")(migrate_commands.status)


def _takaro(url: str, *arguments: str) -> Result:
    """Without a terminal and with nothing to read: a prompt would abort."""
    return CliRunner().invoke(app, arguments, env={"DATABASE_URL": url})


def _takaro_on_a_terminal(url: str, folder: Path, *arguments: str, answer: str) -> tuple[int, str]:
    """On a terminal, with ``answer`` typed ahead; returns the exit status and what was shown."""
    terminal, inner = pty.openpty()
    try:
        os.write(terminal, answer.encode())
        program = Fork(
            "takaro",
            arguments,
            environment={"PATH": os.environ["PATH"], "DATABASE_URL": url, "TERM": "dumb"},
            cwd=folder,
            files=(Path(os.ttyname(inner)),) * 3,
        )
        shown = b""
        # Our own end of the other side stays open, so reading never ends by itself.
        while program.poll() is None or select.select([terminal], [], [], 0)[0]:
            if select.select([terminal], [], [], 0.02)[0]:
                shown += os.read(terminal, 65536)
        return program.wait(), shown.decode()
    finally:
        os.close(inner)
        os.close(terminal)


def test_migrate_prints_what_it_does_and_may_be_run_again(url: str) -> None:
    first, second = _takaro(url, "migrate"), _takaro(url, "migrate")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "applied 001_initial" in first.stdout
    assert f"batch 1 is done: the schema is at {CHAIN.head}" in first.stdout
    assert second.stdout == f"nothing to do: the schema is at {CHAIN.head}, the newest revision\n"


def test_rollback_names_the_batch_before_it_takes_it_back(url: str) -> None:
    migrate(url, chain=CHAIN.until("010"))
    migrate(url, chain=CHAIN.until("012"))
    done = _takaro(url, "rollback")

    assert done.exit_code == 0
    assert done.stdout.index("Batch 2, the last") < done.stdout.index("012_outbox")
    assert done.stdout.index("011_leases") < done.stdout.index("took back 012_outbox")
    assert status(url).applied[-1].revision == "010"


def test_without_a_terminal_losing_rows_is_refused_unasked(url: str) -> None:
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')")
    refused = _takaro(url, "rollback")

    assert refused.exit_code == 2
    assert "Batch 1, the last" in refused.stdout
    assert "--force" in refused.stderr
    assert "conversations" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(status(url).applied) == len(CHAIN.ids)

    assert _takaro(url, "rollback", "--yes").exit_code == 2
    assert _takaro(url, "rollback", "--force").exit_code == 0
    assert status(url).applied == ()
    assert "no batch is left" in _takaro(url, "rollback").stdout


def test_on_a_terminal_it_asks_after_naming_the_batch(url: str, tmp_path: Path) -> None:
    migrate(url)
    code, shown = _takaro_on_a_terminal(url, tmp_path, "rollback", answer="n\n")
    assert code == 1
    assert shown.index("001_initial") < shown.index("Take it back?")
    assert len(status(url).applied) == len(CHAIN.ids)

    code, shown = _takaro_on_a_terminal(url, tmp_path, "rollback", answer="y\n")
    assert code == 0
    assert "batch 1 is taken back" in shown
    assert status(url).applied == ()


def test_yes_answers_ahead(url: str, tmp_path: Path) -> None:
    migrate(url)
    code, shown = _takaro_on_a_terminal(url, tmp_path, "rollback", "--yes", answer="")

    assert code == 0
    assert "Take it back?" not in shown


def test_refusals_are_messages_with_status_2_and_failures_with_status_1(knex_database: KnexDatabase) -> None:
    refused = _takaro(knex_database(locked=True), "migrate")
    failed = _takaro("postgresql://takaro:secret-word@127.0.0.1:1/nothing", "migrate")

    assert (refused.exit_code, failed.exit_code) == (2, 1)
    assert refused.stderr.startswith("refused: knex_migrations_lock is locked")
    assert failed.stderr.startswith("failed: no connection to the database")
    assert "secret-word" not in failed.stderr
    assert "Traceback" not in refused.stderr + failed.stderr


def test_schema_shows_what_is_applied_and_what_is_missing(knex_database: KnexDatabase) -> None:
    url = knex_database()
    assert "`takaro migrate` adopts it" in _takaro(url, "schema").stdout
    assert (_takaro(url, "schema", "--check").exit_code, _takaro(url, "schema", "--check").output) == (1, "")

    _takaro(url, "migrate")
    assert (_takaro(url, "schema", "--check").exit_code, _takaro(url, "schema", "--check").output) == (0, "")
    shown = _takaro(url, "schema").stdout
    assert f"Schema at {CHAIN.head}, head {CHAIN.head}" in shown
    assert "010_drop_user_api_keys.ts" in shown
    assert "missing" not in shown

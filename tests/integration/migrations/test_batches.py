"""migrate applies one batch, rollback takes the last one back; what would lose data needs force."""

import psycopg
import pytest

from common.migrations.run import (
    ForceNeeded,
    MigrationFailed,
    MigrationRefused,
    current_revision,
    head_revision,
    is_at_least,
    migrate,
    plan_rollback,
    rollback,
    status,
)
from common.migrations.scripts import load
from common.migrations.settings import MigrationSettings

from .catalog import catalog, table_names
from .conftest import ChainWith

CHAIN = load()


def _history(url: str) -> list[tuple[str, int, str | None]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT revision, batch, adopted_from FROM schema_migrations ORDER BY revision"
        ).fetchall()


def _alembic_version(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [version for (version,) in connection.execute("SELECT version_num FROM alembic_version")]


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def test_what_is_missing_becomes_one_batch(url: str) -> None:
    assert migrate(url, chain=CHAIN.until("010")) == list(CHAIN.ids[:10])
    assert migrate(url) == list(CHAIN.ids[10:])

    assert _history(url) == [(id_, 1 if id_ <= "010" else 2, None) for id_ in CHAIN.ids]
    assert _alembic_version(url) == [head_revision()] == [CHAIN.ids[-1]]


def test_a_second_run_does_nothing_and_says_so(url: str) -> None:
    migrate(url)
    before, lines = catalog(url), list[str]()

    assert migrate(url, report=lines.append) == []
    assert lines == [f"nothing to do: the schema is at {head_revision()}, the newest revision"]
    assert catalog(url) == before


def test_both_say_what_they_do(url: str) -> None:
    lines = list[str]()
    migrate(url, report=lines.append, chain=CHAIN.until("002"))
    rollback(url, report=lines.append)

    assert [line.partition(" (")[0] for line in lines] == [
        "batch 1: 2 revisions to apply",
        "applied 001_initial",
        "applied 002_claude_tokens",
        "batch 1 is done: the schema is at 002",
        "batch 1: 2 revisions to take back",
        "took back 002_claude_tokens",
        "took back 001_initial",
        "batch 1 is taken back",
    ]


def test_rollback_takes_back_the_last_batch_only(url: str) -> None:
    migrate(url, chain=CHAIN.until("010"))
    before = catalog(url)
    migrate(url)

    assert rollback(url) == list(CHAIN.ids[:9:-1])
    assert catalog(url) == before
    assert _alembic_version(url) == ["010"]

    assert rollback(url) == list(CHAIN.ids[9::-1])
    assert table_names(url) == {"schema_migrations", "alembic_version"}
    assert rollback(url) == []
    assert plan_rollback(url) is None
    assert migrate(url) == list(CHAIN.ids)


@pytest.mark.parametrize(
    ("until", "statement", "loss"),
    [
        ("001", "INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')", "conversations"),
        (
            "003",
            "INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')",
            "conversations.provider",
        ),
        ("011", "INSERT INTO leases (name, owner, epoch, expires_at) VALUES ('a', 'b', 1, now())", "leases"),
    ],
)
def test_losing_rows_needs_force(url: str, until: str, statement: str, loss: str) -> None:
    position = CHAIN.ids.index(until)
    if position:
        migrate(url, chain=CHAIN.until(CHAIN.ids[position - 1]))
    migrate(url, chain=CHAIN.until(until))
    _execute(url, statement)
    before, history = catalog(url), _history(url)

    with pytest.raises(ForceNeeded, match=rf"hold rows that would be lost: .*\b{loss}\b.* --force"):
        rollback(url)
    assert (catalog(url), _history(url)) == (before, history)

    assert rollback(url, force=True) == [until]
    assert catalog(url) != before


def test_rows_elsewhere_need_no_force(url: str) -> None:
    migrate(url, chain=CHAIN.until("010"))
    _execute(url, "INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')")
    migrate(url, chain=CHAIN.until("013"))

    assert rollback(url) == ["013", "012", "011"]


def test_a_plan_that_is_no_longer_true_is_refused(url: str) -> None:
    migrate(url, chain=CHAIN.until("010"))
    agreed_to = plan_rollback(url)
    migrate(url)

    with pytest.raises(MigrationRefused, match="changed the last batch meanwhile"):
        rollback(url, expected=agreed_to)
    assert [row.revision for row in status(url).applied] == list(CHAIN.ids)


async def test_a_database_newer_than_the_code_is_refused_but_can_be_read(url: str) -> None:
    import asyncpg

    migrate(url)
    older = CHAIN.until("013")
    before, history = catalog(url), _history(url)

    for attempt in (migrate, rollback):
        with pytest.raises(MigrationRefused, match=r"newer than this version, whose newest revision is 013"):
            attempt(url, chain=older)
    assert (catalog(url), _history(url)) == (before, history)

    connection = await asyncpg.connect(url)
    try:
        assert await current_revision(connection) == head_revision()
    finally:
        await connection.close()
    assert is_at_least(head_revision(), "013")


async def test_current_revision_of_a_database_never_migrated_is_none_and_harmless(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            assert await current_revision(connection) is None
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await connection.close()
    assert not is_at_least(None, "001")
    assert not is_at_least("013", "014")
    assert is_at_least("014", "014")


def test_tables_without_any_history_are_refused(url: str) -> None:
    _execute(url, "CREATE TABLE messages (id uuid)")
    before = catalog(url)

    with pytest.raises(
        MigrationRefused, match="tables are here without any record of what made them: messages"
    ):
        migrate(url)
    assert catalog(url) == before
    assert table_names(url) == {"messages"}


def test_other_tables_are_none_of_our_business(url: str) -> None:
    _execute(url, "CREATE TABLE somebody_elses (id uuid)")

    assert migrate(url) == list(CHAIN.ids)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE alembic_version SET version_num = '009'", "alembic_version says 009, schema_migrations 013"),
        ("DROP TABLE schema_migrations", "alembic_version says 013, schema_migrations nothing"),
        ("DELETE FROM schema_migrations WHERE revision = '007'", "has 013, but not 007 before it"),
    ],
)
def test_a_history_that_contradicts_itself_is_refused(url: str, damage: str, message: str) -> None:
    migrate(url, chain=CHAIN.until("013"))
    _execute(url, damage)
    before = catalog(url)

    for attempt in (migrate, rollback):
        with pytest.raises(MigrationRefused, match=message):
            attempt(url)
    assert catalog(url) == before


def test_a_failed_revision_is_rolled_back_and_those_before_it_stay(url: str, chain_with: ChainWith) -> None:
    broken = chain_with("op.execute('CREATE TABLE added (id int)'); op.execute('SELECT 1 / 0')")

    with pytest.raises(MigrationFailed, match="999_added failed and was rolled back: division by zero"):
        migrate(url, chain=broken)
    assert "added" not in table_names(url)
    assert _history(url) == [(id_, 1, None) for id_ in CHAIN.ids]
    assert _alembic_version(url) == [head_revision()]

    assert migrate(url, chain=chain_with("op.execute('CREATE TABLE added (id int)')")) == ["999"]


def test_a_statement_has_a_time_limit(url: str, chain_with: ChainWith, impatient: MigrationSettings) -> None:
    with pytest.raises(MigrationFailed, match="MIGRATION_STATEMENT_TIMEOUT_SECONDS"):
        migrate(url, chain=chain_with("op.execute('SELECT pg_sleep(30)')"), settings=impatient)


def test_a_table_in_use_is_waited_for_briefly_and_tried_again(
    url: str, chain_with: ChainWith, impatient: MigrationSettings
) -> None:
    migrate(url)
    chain = chain_with("op.execute('ALTER TABLE messages ADD COLUMN added int')")
    with psycopg.connect(url) as reader:
        reader.execute("SELECT FROM messages")
        with pytest.raises(MigrationFailed, match=r"999_added failed .* stayed in use by others"):
            migrate(url, chain=chain, settings=impatient)

        lines = list[str]()

        def report(line: str) -> None:
            lines.append(line)
            if "trying again" in line:
                reader.commit()

        assert migrate(url, chain=chain, settings=impatient, report=report) == ["999"]
    assert any("999_added: a table is in use, trying again" in line for line in lines)


def test_no_database_is_said_plainly_and_without_the_password() -> None:
    with pytest.raises(MigrationFailed, match="no connection to the database") as caught:
        migrate("postgresql://takaro:secret-word@127.0.0.1:1/nothing")
    assert "secret-word" not in str(caught.value)

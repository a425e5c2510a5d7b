"""A state that can't be built upon is refused unchanged; a failure is rolled back and can be run again."""

from uuid import uuid4

import psycopg
import pytest

from takaro_schema.run import MigrationFailed, MigrationRefused, head_revision, migrate, rollback
from takaro_schema.scripts import load
from takaro_schema.settings import MigrationSettings

from .catalog import alembic_version, catalog, execute, history, table_names
from .conftest import ChainWith

CHAIN = load()


def test_tables_without_any_history_are_refused(url: str) -> None:
    execute(url, "CREATE TABLE messages (id uuid)")
    before = catalog(url)

    with pytest.raises(
        MigrationRefused, match="tables are here without any record of what made them: messages"
    ):
        migrate(url)
    assert catalog(url) == before
    assert table_names(url) == {"messages"}


def test_other_tables_are_none_of_our_business(url: str) -> None:
    execute(url, "CREATE TABLE somebody_elses (id uuid)")

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
    execute(url, damage)
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
    assert history(url) == [(id_, 1, None) for id_ in CHAIN.ids]
    assert alembic_version(url) == [head_revision()]

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


def test_a_role_without_the_rights_is_told_so(url: str) -> None:
    role = f"reader_{uuid4().hex}"
    execute(url, f"CREATE ROLE {role} LOGIN PASSWORD 'reader'")
    try:
        as_reader = url.replace("://takaro:takaro@", f"://{role}:reader@")
        with pytest.raises(
            MigrationFailed, match="the database refused: permission denied for schema public"
        ):
            migrate(as_reader)
    finally:
        execute(url, f"DROP ROLE {role}")
    assert table_names(url) == set()

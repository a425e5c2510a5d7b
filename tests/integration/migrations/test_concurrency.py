"""Two migrators at once, and one that is killed: the record is right and a rerun finishes."""

import psycopg
import pytest

from takaro_schema.run import MigrationFailed, head_revision, migrate, rollback, status
from takaro_schema.scripts import load
from takaro_schema.session import LOCK_KEY
from takaro_schema.settings import MigrationSettings
from tests.support.wait import eventually

from .catalog import catalog, execute, table_names
from .conftest import ChainWith
from .processes import Migrator, runs

CHAIN = load()


def _applied(url: str) -> list[str]:
    return [row.revision for row in status(url, chain=CHAIN).applied]


def _indexes(url: str) -> list[tuple[str, bool]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index "
            "WHERE indexrelid::regclass::text LIKE '%added%'"
        ).fetchall()


def test_of_two_at_once_one_applies_and_the_other_does_nothing(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        both = [Migrator(url), Migrator(url)]
        for migrator in both:
            migrator.wait_for_line("waiting for another migration to finish (process")

    assert sorted(migrator.result() for migrator in both) == [[], list(CHAIN.ids)]
    assert {row.batch for row in status(url).applied} == {1}


def test_waiting_ends_with_a_message_that_names_the_holder(url: str, impatient: MigrationSettings) -> None:
    with psycopg.connect(url, autocommit=True, application_name="the-other-one") as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        for attempt in (migrate, rollback):
            with pytest.raises(
                MigrationFailed, match=r"still runs after 0\.5 s \(process \d+, the-other-one from"
            ):
                attempt(url, settings=impatient)
    assert table_names(url) == set()


async def test_killed_in_the_middle_it_leaves_a_record_that_a_rerun_goes_on_from(
    url: str, chain_with: ChainWith
) -> None:
    slow = chain_with("op.execute('CREATE TABLE added (id int)'); op.execute('SELECT pg_sleep(60)')")
    migrator = Migrator(url, slow)
    await eventually(lambda: runs(url, "%pg_sleep(60)%"))
    migrator.kill()

    assert _applied(url) == list(CHAIN.ids)
    assert "added" not in table_names(url)

    # The server notices within a second that the client is gone, and releases the lock.
    assert migrate(url, chain=chain_with("op.execute('CREATE TABLE added (id int)')")) == ["999"]
    assert "added" in table_names(url)


async def test_an_index_is_built_while_another_migrator_waits(url: str, chain_with: ChainWith) -> None:
    migrate(url)
    chain = chain_with(
        "create_index_concurrently('added', 'messages (role)')", "drop_index_concurrently('added')"
    )
    with psycopg.connect(url) as writer:
        writer.execute("INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')")
        writer.execute(
            "INSERT INTO messages (conversation_id, role, content) SELECT id, 'user', '' FROM conversations"
        )
        builder = Migrator(url, chain)
        builder.wait_for_line("to apply")
        await eventually(lambda: runs(url, "CREATE INDEX CONCURRENTLY%"))
        # The build waits for the writer's transaction. A migrator blocked inside the server would be next.
        other = Migrator(url, chain)
        other.wait_for_line("waiting for another migration to finish")
        writer.commit()

    assert (builder.result(), other.result()) == (["999"], [])
    assert _indexes(url) == [("added", True)]
    assert rollback(url, chain=chain) == ["999"]
    assert _indexes(url) == []


async def test_the_invalid_index_of_a_killed_build_is_replaced(url: str, chain_with: ChainWith) -> None:
    migrate(url)
    chain = chain_with("create_index_concurrently('added', 'conversations (title)')")
    with psycopg.connect(url) as writer:
        writer.execute("INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')")
        builder = Migrator(url, chain)
        builder.wait_for_line("to apply")
        await eventually(lambda: runs(url, "CREATE INDEX CONCURRENTLY%"))
        builder.kill()
        await eventually(lambda: not runs(url, "CREATE INDEX CONCURRENTLY%"))
    assert _indexes(url) == [("added", False)]
    assert _applied(url)[-1] == head_revision()

    assert migrate(url, chain=chain) == ["999"]
    assert _indexes(url) == [("added", True)]


def test_a_build_that_fails_leaves_no_invalid_index(url: str, chain_with: ChainWith) -> None:
    migrate(url)
    before = catalog(url)
    for _ in range(2):
        execute(url, "INSERT INTO conversations (agent_id, agent_version) VALUES ('same', '1')")
    chain = chain_with("create_index_concurrently('added', 'conversations (agent_id)', unique=True)")

    with pytest.raises(MigrationFailed, match=r"999_added failed .*could not create unique index"):
        migrate(url, chain=chain)
    assert catalog(url) == before

    execute(url, "DELETE FROM conversations")
    assert migrate(url, chain=chain) == ["999"]
    assert _indexes(url) == [("added", True)]

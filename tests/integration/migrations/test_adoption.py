"""A database that knex migrated is adopted unchanged, or refused unchanged."""

import psycopg
import pytest

from takaro_schema.run import ForceNeeded, MigrationFailed, MigrationRefused, migrate, rollback, status
from takaro_schema.scripts import load
from takaro_schema.settings import MigrationSettings
from takaro_schema.state import Kind

from .catalog import catalog, history, physical_rows, table_names
from .conftest import KNEX_NAMES, KnexDatabase

CHAIN = load()
KNEX_TABLES = ("knex_migrations", "knex_migrations_lock")
TS = tuple(f"{name}.ts" for name in KNEX_NAMES)
JS = tuple(f"{name}.js" for name in KNEX_NAMES)


def _everything(url: str) -> tuple[object, ...]:
    names = sorted(table_names(url))
    return names, catalog(url), physical_rows(url, names)


@pytest.mark.parametrize("names", [TS, JS, TS[:6] + JS[6:]], ids=["ts", "js", "both"])
def test_nothing_runs_twice_and_knex_migrations_stays_as_it_was(
    knex_database: KnexDatabase, names: tuple[str, ...]
) -> None:
    url = knex_database(names)
    before, schema = physical_rows(url, [*KNEX_TABLES, "conversations", "messages"]), catalog(url)
    lines = list[str]()

    assert migrate(url, chain=CHAIN.until("010"), report=lines.append) == []
    assert catalog(url) == schema
    assert any("uuid_generate_v4()" in line for line in schema)
    assert lines[0].startswith(
        f"adopted 10 migrations that knex ran, {names[0]} to {names[-1]}, with its batch 1"
    )
    assert history(url) == [(revision, 1, name) for revision, name in zip(CHAIN.ids[:10], names, strict=True)]

    assert migrate(url) == list(CHAIN.ids[10:])
    assert migrate(url) == []
    assert physical_rows(url, KNEX_TABLES) == {table: before[table] for table in KNEX_TABLES}
    assert {row.batch for row in status(url).applied if row.revision > "010"} == {2}


def test_batches_and_times_carry_over(knex_database: KnexDatabase) -> None:
    url = knex_database(TS, batches=(1, 1, 1, 2, 2, 4, 4, 4, 4, 7))
    migrate(url)

    assert [batch for _, batch, _ in history(url)] == [1, 1, 1, 2, 2, 4, 4, 4, 4, 7] + [8] * (
        len(CHAIN.ids) - 10
    )
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM schema_migrations JOIN knex_migrations ON name = adopted_from "
            "AND migration_time = applied_at".replace("name =", "knex_migrations.name =")
        ).fetchone() == (10,)


@pytest.mark.parametrize(
    ("names", "batches", "locked", "message"),
    [
        (TS, None, True, r"knex_migrations_lock is locked.*knex migrate:unlock"),
        (
            TS[:9],
            None,
            False,
            r"holds 9 of 10 migrations; missing: 010_drop_user_api_keys.*npm run db:migrate",
        ),
        (TS[:4] + TS[5:], None, False, r"missing: 005_drop_claude_tokens"),
        ((), None, False, r"holds 0 of 10"),
        ((*TS, "011_more.ts"), None, False, r"doesn't know: 011_more.ts.*npm run db:rollback"),
        ((*TS[:9], "010_other.ts"), None, False, r"doesn't know: 010_other.ts"),
        ((*TS[:9], "010_drop_user_api_keys.mjs"), None, False, r"doesn't know: 010_drop_user_api_keys.mjs"),
        (
            (TS[1], TS[0], *TS[2:]),
            None,
            False,
            r"twice or out of order: 002_claude_tokens.ts, 001_initial.ts",
        ),
        ((*TS, JS[9]), None, False, r"twice or out of order"),
        (TS, (2, 1, 1, 1, 1, 1, 1, 1, 1, 1), False, r"run backwards: 001_initial.ts in 2"),
    ],
    ids=["locked", "partial", "gap", "empty", "more", "other", "ending", "order", "twice", "batches"],
)
def test_a_history_that_says_too_little_is_refused_and_nothing_changes(
    knex_database: KnexDatabase,
    names: tuple[str, ...],
    batches: tuple[int, ...] | None,
    locked: bool,
    message: str,
) -> None:
    url = knex_database(names, batches=batches, locked=locked)
    before = _everything(url)

    with pytest.raises(MigrationRefused, match=message):
        migrate(url)
    with pytest.raises(MigrationRefused, match="nothing was adopted yet"):
        rollback(url, force=True)
    assert _everything(url) == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("DROP TABLE cockpit_sessions", "tables are missing: cockpit_sessions"),
        ("CREATE TABLE user_api_keys (id uuid)", "tables they drop are still here: user_api_keys"),
    ],
)
def test_tables_that_contradict_the_history_are_refused(
    knex_database: KnexDatabase, damage: str, message: str
) -> None:
    url = knex_database()
    with psycopg.connect(url) as connection:
        connection.execute(damage)
    before = _everything(url)

    with pytest.raises(MigrationRefused, match=message):
        migrate(url)
    assert _everything(url) == before


def test_a_knex_that_runs_right_now_is_not_waited_for(
    knex_database: KnexDatabase, impatient: MigrationSettings
) -> None:
    url = knex_database()
    with psycopg.connect(url) as knex:
        knex.execute("UPDATE knex_migrations SET batch = batch")
        with pytest.raises(MigrationFailed, match="knex_migrations is in use"):
            migrate(url, settings=impatient)
        knex.rollback()
    assert "schema_migrations" not in table_names(url)


def test_a_history_that_changes_after_adoption_is_refused(knex_database: KnexDatabase) -> None:
    url = knex_database()
    migrate(url, chain=CHAIN.until("010"))
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO knex_migrations (name, batch) VALUES ('011_surprise.ts', 2)")
    before = _everything(url)

    with pytest.raises(MigrationRefused, match=r"changed since it was adopted.*011_surprise\.ts"):
        migrate(url)
    assert _everything(url) == before


def test_a_retired_node_application_may_take_its_tables_along(knex_database: KnexDatabase) -> None:
    url = knex_database()
    migrate(url, chain=CHAIN.until("010"))
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE knex_migrations, knex_migrations_lock")

    assert migrate(url) == list(CHAIN.ids[10:])


def test_rolling_back_into_adopted_revisions_needs_force(knex_database: KnexDatabase) -> None:
    url = knex_database(TS, batches=(1, 1, 1, 1, 1, 1, 1, 1, 1, 2))
    migrate(url, chain=CHAIN.until("010"))
    before = _everything(url)

    # 010 restores a table and loses nothing, but knex would believe that it is still applied.
    with pytest.raises(ForceNeeded, match=r"1 of them were run by knex.* --force"):
        rollback(url)
    assert _everything(url) == before

    rows = physical_rows(url, KNEX_TABLES)
    assert rollback(url, force=True) == ["010"]
    assert "user_api_keys" in table_names(url)
    assert physical_rows(url, KNEX_TABLES) == rows
    assert migrate(url, chain=CHAIN.until("010")) == ["010"]


def test_all_of_it_can_be_taken_back_by_force_and_created_again(knex_database: KnexDatabase) -> None:
    url = knex_database()
    migrate(url)
    rollback(url, force=True)
    rollback(url, force=True)
    assert "conversations" not in table_names(url)
    assert status(url).kind is Kind.EMPTY

    assert migrate(url) == list(CHAIN.ids)


def test_before_adoption_the_state_is_shown_and_not_changed(knex_database: KnexDatabase) -> None:
    url = knex_database()
    before = _everything(url)

    assert status(url).kind is Kind.KNEX
    assert _everything(url) == before

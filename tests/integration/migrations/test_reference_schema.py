"""Revision 010 is the schema that the Node application left, catalog against catalog."""

from collections.abc import Callable

import psycopg

from takaro_schema.run import migrate
from takaro_schema.scripts import load

from .catalog import catalog, table_names
from .conftest import load_schema_010


def test_revision_010_equals_the_reference_schema(new_database: Callable[[], str]) -> None:
    ours, reference = new_database(), new_database()
    migrate(ours, chain=load().until("010"))
    load_schema_010(reference, default="gen_random_uuid()")

    assert catalog(ours) == catalog(reference)


def test_the_comparison_sees_what_it_should_see(new_database: Callable[[], str]) -> None:
    ours, reference = new_database(), new_database()
    migrate(ours, chain=load().until("010"))
    load_schema_010(reference, default="gen_random_uuid()")
    changes = (
        "ALTER TABLE messages ALTER COLUMN tool_calls SET DEFAULT '[]'",
        "ALTER TABLE messages ALTER COLUMN content DROP NOT NULL",
        "ALTER TABLE conversations ALTER COLUMN title TYPE varchar(256)",
        "ALTER INDEX messages_created_at_index RENAME TO messages_created_index",
        "ALTER TABLE messages RENAME CONSTRAINT messages_conversation_id_foreign TO messages_fk",
        "ALTER TABLE custom_agents ADD COLUMN extra text",
        "ALTER TABLE conversations DROP COLUMN provider, ADD COLUMN provider2 text",
    )
    for change in changes:
        with psycopg.connect(ours) as connection:
            before = catalog(ours)
            connection.execute(change)
            connection.commit()
        assert catalog(ours) != before, change


def test_knex_tables_are_not_made_on_a_fresh_database(url: str) -> None:
    migrate(url)

    assert not {"knex_migrations", "knex_migrations_lock"} & table_names(url)

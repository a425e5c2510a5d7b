"""migrate applies one batch, rollback takes the last one back; losing data needs force."""

import asyncpg
import pytest

from takaro_schema.loss import OF_SERVICES
from takaro_schema.run import (
    ForceNeeded,
    MigrationRefused,
    current_revision,
    head_revision,
    is_at_least,
    migrate,
    plan_rollback,
    rollback,
    status,
)
from takaro_schema.scripts import load

from .catalog import alembic_version, catalog, execute, history, table_names

CHAIN = load()


def test_what_is_missing_becomes_one_batch(url: str) -> None:
    assert migrate(url, chain=CHAIN.until("010")) == list(CHAIN.ids[:10])
    assert migrate(url) == list(CHAIN.ids[10:])

    assert history(url) == [(id_, 1 if id_ <= "010" else 2, None) for id_ in CHAIN.ids]
    assert alembic_version(url) == [head_revision()] == [CHAIN.ids[-1]]


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
    assert alembic_version(url) == ["010"]

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
        (
            "015",
            "INSERT INTO knowledge_bases (id, name, source, origin) VALUES ('a', 'a', 'a', 'api')",
            "knowledge_bases",
        ),
    ],
)
def test_losing_rows_needs_force(url: str, until: str, statement: str, loss: str) -> None:
    position = CHAIN.ids.index(until)
    if position:
        migrate(url, chain=CHAIN.until(CHAIN.ids[position - 1]))
    migrate(url, chain=CHAIN.until(until))
    execute(url, statement)
    before, record = catalog(url), history(url)

    with pytest.raises(ForceNeeded, match=rf"hold rows that would be lost: .*\b{loss}\b.* --force"):
        rollback(url)
    assert (catalog(url), history(url)) == (before, record)

    assert rollback(url, force=True) == [until]
    assert catalog(url) != before


def test_rows_elsewhere_need_no_force(url: str) -> None:
    migrate(url, chain=CHAIN.until("010"))
    execute(url, "INSERT INTO conversations (agent_id, agent_version) VALUES ('a', '1')")
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
    migrate(url)
    older = CHAIN.until("013")
    before, record = catalog(url), history(url)

    for attempt in (migrate, rollback):
        with pytest.raises(MigrationRefused, match=r"newer than this version, whose newest revision is 013"):
            attempt(url, chain=older)
    assert (catalog(url), history(url)) == (before, record)

    connection = await asyncpg.connect(url)
    try:
        assert await current_revision(connection) == head_revision()
    finally:
        await connection.close()
    assert is_at_least(head_revision(), "013")


async def test_current_revision_of_a_database_never_migrated_is_none_and_harmless(url: str) -> None:
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


def test_rows_that_come_while_it_runs_are_not_lost(url: str) -> None:
    migrate(url, chain=CHAIN.until("007"))
    migrate(url, chain=CHAIN.until("009"))

    def report(line: str) -> None:
        if line.startswith("took back 009"):
            execute(
                url,
                "INSERT INTO custom_agents (user_id, name, system_prompt, model) VALUES ('a', 'b', 'c', 'd')",
            )

    with pytest.raises(
        ForceNeeded, match="008_custom_agents was not taken back: rows were added meanwhile to custom_agents"
    ):
        rollback(url, report=report)
    assert [row[0] for row in history(url)] == list(CHAIN.ids[:8])
    assert "custom_agents" in table_names(url)


def test_each_name_that_does_not_count_as_loss_is_one_that_a_revision_drops() -> None:
    held = {name for revision in CHAIN.revisions for name in revision.holds}
    assert not OF_SERVICES - held


def test_what_services_keep_for_themselves_needs_no_force(url: str) -> None:
    migrate(url)
    for statement in (
        "INSERT INTO leases (name, owner, epoch, expires_at) VALUES ('a', 'b', 1, now())",
        "INSERT INTO inbox (consumer, key, event_id, source, type, digest) "
        "VALUES ('chat', gen_random_uuid(), 'a', 'b', 'c', '')",
        "INSERT INTO knowledge_bases (id, name, source, origin) VALUES ('file', 'a', 'a', 'settings')",
        "INSERT INTO knowledge_syncs (knowledge_base_id, reason, job_id) VALUES ('file', 'startup', 'j')",
        "INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, metadata, embedding) "
        "VALUES ('file', 'latest', 'x', '{}', array_fill(1::real, ARRAY[1536])::vector)",
    ):
        execute(url, statement)
    assert rollback(url) == list(CHAIN.ids[::-1])


def test_how_a_sync_of_a_user_s_base_was_run_needs_no_force(url: str) -> None:
    migrate(url, chain=CHAIN.until("025"))
    migrate(url, chain=CHAIN.until("026"))
    execute(url, "INSERT INTO knowledge_bases (id, name, source, origin) VALUES ('mine', 'a', 'a', 'api')")
    execute(
        url,
        "INSERT INTO knowledge_syncs (knowledge_base_id, reason, job_id, confirm_removal, covers, attempt, "
        "permanent) VALUES ('mine', 'http', 'j', false, '{}', 1, false)",
    )
    assert rollback(url) == ["026"]


def test_what_users_added_to_a_base_of_their_own_needs_force(url: str) -> None:
    migrate(url)
    execute(
        url,
        "INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, metadata, embedding) "
        "VALUES ('mine', 'latest', 'x', '{}', array_fill(1::real, ARRAY[1536])::vector)",
    )
    with pytest.raises(ForceNeeded, match="lost: knowledge_embeddings"):
        rollback(url)

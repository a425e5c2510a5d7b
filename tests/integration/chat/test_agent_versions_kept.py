"""Which versions of custom agents the database keeps: whoever writes, and until nobody needs them."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from chat.conversations import agent_versions
from chat.conversations.records import NewConversation
from chat.conversations.use_cases import create_conversations
from chat.custom_agents import versions, versions_repository
from common.postgres import Pool, transaction
from servicekit.keysets import Page

# What knex sends for the Node application's inserts and updates.
NODE_INSERT = """
insert into "custom_agents" ("knowledge_bases", "model", "name", "system_prompt", "tools", "user_id")
values ($1, $2, $3, $4, $5, $6) returning *
"""
NODE_UPDATE = """
update "custom_agents" set "system_prompt" = $1, "updated_at" = CURRENT_TIMESTAMP where "id" = $2
"""
NODE_DELETE = 'delete from "custom_agents" where "id" = $1'
NODE_CONVERSATION = """
insert into "conversations" ("agent_id", "agent_version", "user_id") values ($1, $2, $3)
returning agent_version
"""
AGE = """
UPDATE chat_agent_versions SET replaced_at = replaced_at - $2::text::interval WHERE agent_id = $1
"""
KEPT = "SELECT version FROM chat_agent_versions WHERE agent_id = $1 ORDER BY version"

Insert = Callable[[], Awaitable[UUID]]


@pytest.fixture
def insert(pool: Pool) -> Insert:
    """Inserts an agent of ann's as the Node application does."""

    async def agent() -> UUID:
        row = await pool.fetchrow(NODE_INSERT, [], "m", str(uuid4()), "prompt 1", [], "ann")
        assert row is not None
        return UUID(str(row["id"]))

    return agent


async def said(pool: Pool, agent_id: UUID, user: str = "ann") -> dict[int, str]:
    """The prompts of an agent by version, as its owner reads them."""
    pages = versions.list_versions(pool, user, agent_id, Page(None, "asc", None))
    return {each.version: each.values.system_prompt async for page in pages for each in page}


async def kept(pool: Pool, agent_id: UUID) -> list[int]:
    return [row["version"] for row in await pool.fetch(KEPT, agent_id)]


async def converse(pool: Pool, agent_id: UUID | str, version: str = "1", user: str = "ann") -> str:
    """Begin a conversation as the Node application does. Returns the version that it has."""
    named: str = await pool.fetchval(NODE_CONVERSATION, f"custom:{agent_id}", version, user)
    return named


async def test_changes_of_other_programs_make_versions(pool: Pool, insert: Insert) -> None:
    agent_id = await insert()
    assert await said(pool, agent_id) == {1: "prompt 1"}
    for prompt in ("prompt 2", "prompt 2", "prompt 3"):
        await pool.execute(NODE_UPDATE, prompt, agent_id)
    everything = {1: "prompt 1", 2: "prompt 2", 3: "prompt 3"}
    assert await said(pool, agent_id) == everything
    await pool.execute("UPDATE custom_agents SET version = 7, event_sequence = 9 WHERE id = $1", agent_id)
    assert await said(pool, agent_id) == everything, "who doesn't know of versions can't change the number"
    await pool.execute(NODE_DELETE, agent_id)
    assert await said(pool, agent_id) == everything


async def test_each_value_of_an_agent_makes_a_version(pool: Pool, insert: Insert) -> None:
    agent_id = await insert()
    changes = {
        "name": "'x'",
        "description": "'x'",
        "system_prompt": "'x'",
        "tools": "'[\"x\"]'",
        "knowledge_bases": "'[\"x\"]'",
        "model": "'x'",
        "temperature": "NULL",
        "max_tokens": "NULL",
    }
    for number, (column, value) in enumerate(changes.items(), start=2):
        await pool.execute(f"UPDATE custom_agents SET {column} = {value} WHERE id = $1", agent_id)
        version = "SELECT version FROM custom_agents WHERE id = $1"
        assert await pool.fetchval(version, agent_id) == number, column


async def test_a_conversation_of_another_program_has_the_newest_version(pool: Pool, insert: Insert) -> None:
    agent_id = await insert()
    assert await converse(pool, agent_id) == "1"
    await pool.execute(NODE_UPDATE, "prompt 2", agent_id)
    assert await converse(pool, agent_id) == "2"
    assert await converse(pool, uuid4()) == "1", "of an agent that nobody knows"
    assert await pool.fetchval(NODE_CONVERSATION, "custom:nope", "1", "ann") == "1"
    assert await pool.fetchval(NODE_CONVERSATION, "module-writer", "1", "ann") == "1"
    async with transaction(pool) as connection:
        first = NewConversation(uuid4(), f"custom:{agent_id}", "1", "ann")
        await create_conversations(connection, [first])
    named = await pool.fetchval("SELECT agent_version FROM conversations WHERE id = $1", first.id)
    assert named == "1", "chat names the version that it means"


async def test_an_id_that_comes_again_goes_on_counting(pool: Pool, insert: Insert) -> None:
    agent_id = await insert()
    await pool.execute(NODE_UPDATE, "prompt 2", agent_id)
    row = await pool.fetchval("SELECT to_jsonb(a)::text FROM custom_agents AS a WHERE id = $1", agent_id)
    await pool.execute(NODE_DELETE, agent_id)
    restore = (
        "INSERT INTO custom_agents SELECT * FROM jsonb_populate_record(NULL::custom_agents, $1::text::jsonb)"
    )
    await pool.execute(restore, row)
    await pool.execute(NODE_UPDATE, "prompt 4", agent_id)
    assert await said(pool, agent_id) == {1: "prompt 1", 2: "prompt 2", 3: "prompt 2", 4: "prompt 4"}


async def test_what_nobody_needs_is_removed(pool: Pool, insert: Insert) -> None:
    living, deleted, recent = [await insert() for _ in range(3)]
    for number in range(2, 8):
        for agent_id in (living, deleted, recent):
            await pool.execute(NODE_UPDATE, f"prompt {number}", agent_id)
            if number in (3, 5):
                await converse(pool, str(agent_id).upper() if number == 3 else agent_id)
    for agent_id in (deleted, recent):
        await pool.execute(NODE_DELETE, agent_id)
    await pool.execute(AGE, living, "11 minutes")
    await pool.execute(AGE, deleted, "25 hours")
    await pool.execute(AGE, recent, "23 hours")
    assert await versions.go_through(pool, 2, limit=4) == 8
    assert await kept(pool, living) == [3, 5, 6], "7 is the agent's own row"
    assert await kept(pool, deleted) == [3, 5]
    assert await kept(pool, recent) == list(range(1, 8))
    assert await versions.go_through(pool, 2, limit=4) == 0
    await pool.execute("DELETE FROM conversations WHERE lower(agent_id) = $1", f"custom:{deleted}")
    assert await versions.go_through(pool, 2, limit=4) == 2
    assert await said(pool, living) == {n: f"prompt {n}" for n in (3, 5, 6, 7)}


async def test_a_version_that_a_conversation_is_about_to_take_stays(pool: Pool, insert: Insert) -> None:
    agent_id = await insert()
    for number in (2, 3):
        await pool.execute(NODE_UPDATE, f"prompt {number}", agent_id)
    await pool.execute(AGE, agent_id, "11 minutes")
    async with transaction(pool) as connection:
        held = await agent_versions.hold_versions(connection, [(agent_id, "1", "ann")])
        assert held == {(agent_id, "1")}
        assert await versions.go_through(pool, 1, limit=10) == 1
    assert await kept(pool, agent_id) == [1]
    assert await versions.go_through(pool, 1, limit=10) == 1


async def test_a_version_that_was_taken_after_it_was_found_spare_stays(pool: Pool, insert: Insert) -> None:
    """The conversation commits after the sweep has looked, and before it locks."""
    agent_id = await insert()
    await pool.execute(NODE_UPDATE, "prompt 2", agent_id)
    await pool.execute(AGE, agent_id, "11 minutes")
    async with pool.acquire() as connection:
        step = await versions_repository.list_step(connection, 1, (UUID(int=0), 0), 10)
    assert step.unused == [(agent_id, 1)]
    async with transaction(pool) as connection:
        [outcome] = await create_conversations(
            connection, [NewConversation(uuid4(), f"custom:{agent_id}", "1", "ann")]
        )
        assert not isinstance(outcome, Exception)
    async with transaction(pool) as connection:
        locked = await versions_repository.lock_versions(connection, step.unused)
        assert await versions_repository.delete_unused(connection, locked) == 0
    assert await kept(pool, agent_id) == [1]


async def test_nobody_takes_a_version_of_another_users_agent(pool: Pool, insert: Insert) -> None:
    agent_id = await insert()
    await pool.execute(NODE_UPDATE, "prompt 2", agent_id)
    async with transaction(pool) as connection:
        assert await agent_versions.hold_versions(connection, [(agent_id, "1", "bob")]) == set()
        assert await versions_repository.get_version(connection, agent_id, "bob", 1) is None

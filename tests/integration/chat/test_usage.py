"""Usage: counted with each message, whoever writes it, and kept when the conversation is deleted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chat.conversations.use_cases import delete_conversations
from chat.messages.records import NewMessage
from chat.messages.use_cases import append_messages
from chat.usage import repository, use_cases
from chat.usage.records import Days
from common.postgres import Pool, transaction
from tests.integration.chat.conftest import NewConversation, node_message, post, user_of
from tests.support.wait import eventually

TODAY = Days(datetime.now(UTC).date() - timedelta(days=1), datetime.now(UTC).date() + timedelta(days=1))
"""The test may run over midnight."""
ENTRIES = "SELECT count(*) FROM chat_usage_entries"


def message(conversation_id: UUID, tokens: int | None = None, model: str | None = None) -> NewMessage:
    return NewMessage(uuid4(), conversation_id, "assistant", "x", token_count=tokens, model=model)


async def append(pool: Pool, *messages: NewMessage) -> None:
    async with transaction(pool) as connection:
        await append_messages(connection, messages)


async def used(pool: Pool, user: str = "alice") -> dict[tuple[str, str | None], tuple[int, int]]:
    """Messages and tokens by agent and model."""
    sums: dict[tuple[str, str | None], tuple[int, int]] = {}
    for each in await use_cases.list_used(pool, user, TODAY):
        messages, tokens = sums.get((each.agent_id, each.model), (0, 0))
        sums[each.agent_id, each.model] = (messages + each.messages, tokens + each.tokens)
    return sums


async def test_messages_and_tokens_are_counted_by_user_agent_and_model(
    pool: Pool, conversation: NewConversation
) -> None:
    writing, moderating, bobs = (
        await conversation(),
        await conversation(agent="player-moderator"),
        await conversation("bob"),
    )
    nobodys = await conversation(None)
    repeated = message(writing, 5, "grok")
    await append(
        pool,
        *(
            message(writing, 5, "grok"),
            message(writing, None, "grok"),
            message(writing),
            message(writing, -7),
        ),
        *(message(moderating, 2_000_000_000, "grok"), message(moderating, 2_000_000_000, "grok")),
        *(message(bobs, 3), message(nobodys, 3), message(uuid4(), 3), repeated, repeated),
    )
    await append(pool, repeated, message(writing, 1, "gpt"))
    expected: dict[tuple[str, str | None], tuple[int, int]] = {
        ("module-writer", "grok"): (3, 10),
        ("module-writer", "gpt"): (1, 1),
        ("module-writer", None): (2, 0),
        ("player-moderator", "grok"): (2, 4_000_000_000),
    }
    assert await used(pool) == expected
    assert await used(pool, "bob") == {("module-writer", None): (1, 3)}
    # The deletion of a conversation takes nothing back, and adding up changes nothing that is read.
    async with transaction(pool) as connection:
        await delete_conversations(connection, [(writing, None), (moderating, None)])
    assert await used(pool) == expected
    assert await use_cases.add_up(pool, 2) == 2
    assert await used(pool) == expected
    while await use_cases.add_up(pool, 2):
        assert await used(pool) == expected
    assert await used(pool) == expected
    assert await pool.fetchval(ENTRIES) == 0


async def test_what_others_write_is_counted_too(pool: Pool, conversation: NewConversation) -> None:
    """The Node application, and chat of the previous release, which places its messages itself."""
    conversation_id = await conversation()
    await node_message(pool, conversation_id, "hi")
    async with transaction(pool) as connection:
        await connection.execute("SELECT set_config('takaro.message_order', 'caller', true)")
        await node_message(connection, conversation_id, "ho")
    await append(pool, message(conversation_id, 1))
    assert await used(pool) == {("module-writer", None): (3, 25)}
    async with pool.acquire() as connection:
        rolled_back = connection.transaction()
        await rolled_back.start()
        await append_messages(connection, [message(conversation_id, 1)])
        await rolled_back.rollback()
    assert await used(pool) == {("module-writer", None): (3, 25)}


async def test_any_number_of_processes_add_up_while_messages_come(
    pool: Pool, conversation: NewConversation
) -> None:
    conversations = [await conversation() for _ in range(4)]
    writing = asyncio.Event()

    async def write(conversation_id: UUID) -> None:
        for _ in range(25):
            await append(pool, message(conversation_id, 2))

    async def add_up() -> None:
        while not writing.is_set() or await pool.fetchval(ENTRIES):
            await use_cases.add_up(pool, 3)
            assert sum(tokens for _, tokens in (await used(pool)).values()) % 2 == 0

    adding = [asyncio.create_task(add_up()) for _ in range(3)]
    await asyncio.gather(*map(write, conversations))
    writing.set()
    await asyncio.gather(*adding)
    assert await used(pool) == {("module-writer", None): (100, 200)}


async def test_usage_past_its_retention_is_deleted_a_bounded_number_at_once(pool: Pool) -> None:
    insert = (
        "INSERT INTO chat_usage SELECT 'alice', (now() AT TIME ZONE 'UTC')::date - d, 'a', '', 1, 1 FROM "
    )
    await pool.execute(insert + "generate_series(58, 67) AS d")
    async with pool.acquire() as connection:
        assert [await repository.prune(connection, 62, 3) for _ in range(3)] == [3, 2, 0]
    assert await pool.fetchval("SELECT count(*) FROM chat_usage") == 5


async def get(client: httpx.AsyncClient, expected: int = 200, /, **params: Any) -> Any:
    answer = await client.get("/api/usage", params=params)
    assert answer.status_code == expected, answer.text
    return answer.json()["data"] if expected == 200 else answer.json()


async def test_users_read_their_own_usage_and_operators_that_of_everybody(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool
) -> None:
    made = await post(alice, "/api/conversations", agentId="module-writer")
    await post(alice, f"/api/conversations/{made['id']}/messages", content="hi")
    await node_message(service_pool, UUID(made["id"]), "hello")
    await alice.delete(f"/api/conversations/{made['id']}")
    days: dict[str, Any] = {"from": str(TODAY.first), "to": str(TODAY.last)}
    mine = await get(alice, **days)
    assert mine.items() >= {"userId": user_of(alice), **days, "total": {"messages": 2, "tokens": 12}}.items()
    assert {(each["agentId"], each["model"]) for each in mine["used"]} == {("module-writer", None)}
    assert (await get(mallory, **days))["used"] == []
    assert await get(alice, userId=user_of(alice), **days) == mine
    await get(mallory, 403, userId=user_of(alice))
    mallory.headers["X-Scope"] = "agent operators"
    await get(mallory, 403, userId=user_of(alice))
    mallory.headers["X-Scope"] = "agent operator"
    assert await get(mallory, userId=user_of(alice), **days) == mine
    this_month = await get(alice)
    assert this_month["from"] == f"{this_month['to'][:8]}01"
    # The service adds up by itself.
    await eventually(lambda: _none_left(service_pool))
    assert await get(alice, **days) == mine


async def _none_left(pool: Pool) -> bool:
    return bool(await pool.fetchval(ENTRIES) == 0)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "1700000000"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"to": ""}, "to"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "from"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, "from"),
        ({"userId": ""}, "userId"),
        ({"userId": "a\x00b"}, "userId"),
        ({"userId": "x" * 256}, "userId"),
    ],
)
async def test_days_that_make_no_sense_are_refused(
    alice: httpx.AsyncClient, params: dict[str, Any], field: str
) -> None:
    alice.headers["X-Scope"] = "operator"
    assert list((await get(alice, 400, **params))["details"]) == [field]


async def test_an_answer_has_a_bounded_number_of_rows(alice: httpx.AsyncClient, service_pool: Pool) -> None:
    many = (
        "INSERT INTO chat_usage SELECT $1, '2026-01-01', n::text, '', 1, 1 FROM generate_series(1, $2) AS n"
    )
    await service_pool.execute(many, user_of(alice), 10_001)
    day: dict[str, Any] = {"from": "2026-01-01", "to": "2026-01-01"}
    assert "fewer days" in (await get(alice, 400, **day))["details"]["from"][0]
    await service_pool.execute("DELETE FROM chat_usage WHERE agent_id = '1'")
    assert len((await get(alice, **day))["used"]) == 10_000

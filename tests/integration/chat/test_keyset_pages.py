"""Lists over HTTP in pages: together they are the whole list, whatever comes and goes meanwhile."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from common.postgres import Pool
from tests.integration.chat.conftest import post, user_of

CONVERSATIONS = "/api/conversations"
BY_AGENT = "/api/conversations/by-agent/module-writer"

# Three times, each of many rows, and rows without any.
FILL = """
INSERT INTO conversations (agent_id, agent_version, user_id, title, created_at, updated_at)
SELECT 'module-writer', 'v', $1, n::text,
       CASE WHEN n % 4 > 0 THEN '2026-01-01T12:00:00.000001Z'::timestamptz + n % 3 * interval '1 us' END,
       CASE WHEN n % 5 > 0 THEN '2026-02-01Z'::timestamptz + n % 2 * interval '1 us' END
FROM generate_series(1, $2) AS n
"""
AGENTS = "/api/custom-agents"
FILL_AGENTS = """
INSERT INTO custom_agents (user_id, name, system_prompt, model, created_at)
SELECT $1, n::text, 'p', 'm',
       CASE WHEN n % 4 > 0 THEN '2026-01-01Z'::timestamptz + n % 3 * interval '1 us' END
FROM generate_series(1, $2) AS n
"""
ORDERS = {
    (CONVERSATIONS, "desc"): "coalesce(created_at, 'infinity') DESC, id DESC",
    (CONVERSATIONS, "asc"): "coalesce(created_at, 'infinity'), id",
    (BY_AGENT, "desc"): "coalesce(updated_at, '-infinity') DESC, id DESC",
    (BY_AGENT, "asc"): "coalesce(updated_at, '-infinity'), id",
}


async def page(client: httpx.AsyncClient, path: str, **query: Any) -> tuple[list[Any], str | None]:
    """One page and the cursor of the next; it must have no more than its limit."""
    answer = await client.get(
        path, params={name: value for name, value in query.items() if value is not None}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert len(found["data"]) <= query["limit"]
    return found["data"], found["meta"]["nextCursor"]


async def pages(client: httpx.AsyncClient, path: str, **query: Any) -> list[Any]:
    """All pages together. Each but the last one is full."""
    items, cursor = await page(client, path, **query)
    while cursor is not None:
        assert len(items) % query["limit"] == 0
        more, cursor = await page(client, path, cursor=cursor, **query)
        assert more
        items += more
    return items


@pytest.fixture
async def many(alice: httpx.AsyncClient, service_pool: Pool) -> int:
    """Conversations of alice's with equal times and without any."""
    await service_pool.execute(FILL, user_of(alice), 23)
    return 23


@pytest.fixture
async def messages(alice: httpx.AsyncClient, service_pool: Pool) -> str:
    """The path of 23 messages."""
    id = (await post(alice, CONVERSATIONS, agentId="module-writer"))["id"]
    await service_pool.execute(
        "INSERT INTO messages (conversation_id, role, content) "
        "SELECT $1, 'user', n::text FROM generate_series(1, 23) AS n",
        UUID(id),
    )
    return f"{CONVERSATIONS}/{id}/messages"


@pytest.mark.parametrize(("path", "order"), ORDERS)
@pytest.mark.parametrize("limit", [1, 20])
async def test_pages_of_conversations_are_the_whole_list(
    alice: httpx.AsyncClient, service_pool: Pool, many: int, path: str, order: str, limit: int
) -> None:
    rows = await service_pool.fetch(
        f"SELECT id FROM conversations WHERE user_id = $1 ORDER BY {ORDERS[path, order]}", user_of(alice)
    )
    assert len(rows) == many
    found = await pages(alice, path, order=order, limit=limit)
    assert [item["id"] for item in found] == [str(row["id"]) for row in rows]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [5, 22, 23, 1_000])
async def test_pages_of_messages_are_the_whole_list(
    alice: httpx.AsyncClient, messages: str, order: str, limit: int
) -> None:
    whole = (await alice.get(messages)).json()["data"]
    assert await pages(alice, messages, order=order, limit=limit) == whole[:: 1 if order == "asc" else -1]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_custom_agents_are_the_whole_list(
    alice: httpx.AsyncClient, service_pool: Pool, order: str
) -> None:
    await service_pool.execute(FILL_AGENTS, user_of(alice), 23)
    whole = (await alice.get(AGENTS, params={"total": "true"})).json()
    assert (len(whole["data"]), whole["meta"]) == (23, {"total": 23})
    for limit in (1, 22, 23):
        found = await pages(alice, AGENTS, order=order, limit=limit)
        assert found == whole["data"][:: 1 if order == "desc" else -1]


async def test_without_a_limit_everything_is_sent_as_before(
    alice: httpx.AsyncClient, many: int, messages: str
) -> None:
    for path, count in ((CONVERSATIONS, many + 1), (messages, 23)):
        answer = (await alice.get(path)).json()
        assert (list(answer), len(answer["data"])) == (["data"], count)
        turned = (await alice.get(path, params={"order": "asc" if path == CONVERSATIONS else "desc"})).json()
        assert turned == {"data": answer["data"][::-1]}
        _, cursor = await page(alice, path, limit=3)
        rest = (await alice.get(path, params={"cursor": cursor or ""})).json()
        assert rest == {"data": answer["data"][3:]}


async def test_what_comes_and_goes_between_pages_neither_hides_nor_repeats_others(
    alice: httpx.AsyncClient, service_pool: Pool, many: int
) -> None:
    before = [item["id"] for item in (await alice.get(CONVERSATIONS)).json()["data"]]
    first, cursor = await page(alice, CONVERSATIONS, limit=10)
    await post(alice, CONVERSATIONS, agentId="module-writer")
    gone = [before[2], before[9], before[10]]  # the row that the cursor came from too
    await service_pool.execute("DELETE FROM conversations WHERE id = ANY($1)", [UUID(id) for id in gone])
    rest, cursor = await page(alice, CONVERSATIONS, limit=100, cursor=cursor)
    assert cursor is None
    assert [item["id"] for item in first] + [item["id"] for item in rest] == [
        id for id in before if id != before[10]
    ]


async def test_messages_that_come_meanwhile_are_on_later_pages(
    alice: httpx.AsyncClient, messages: str
) -> None:
    _, cursor = await page(alice, messages, limit=20)
    await post(alice, messages, content="24")
    rest, cursor = await page(alice, messages, limit=4, cursor=cursor)
    assert ([message["content"] for message in rest], cursor) == (["21", "22", "23", "24"], None)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_of_large_messages_is_full_too(
    alice: httpx.AsyncClient, service_pool: Pool, messages: str, order: str
) -> None:
    await service_pool.execute(
        "UPDATE messages SET content = content || repeat('x', 400000) WHERE conversation_id = $1",
        UUID(messages.split("/")[3]),
    )
    found, cursor = await page(alice, messages, limit=8, order=order)
    expected = range(1, 9) if order == "asc" else range(23, 15, -1)
    assert [message["content"].rstrip("x") for message in found] == [str(n) for n in expected]
    assert cursor is not None


FILTERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "agent": ({"agentId": "module-writer"}, {"one", "two", "three"}),
    "experiment": ({"agentId": "module-writer/concise"}, {"two"}),
    "version": ({"agentVersion": "default"}, {"four"}),
    "both": ({"agentId": "module-writer", "agentVersion": "concise"}, {"two"}),
    "provider": ({"provider": "other"}, {"three"}),
    "title": ({"title": "RÜ%"}, {"one"}),
    "from": ({"createdFrom": "2026-01-02T00:00:00Z"}, {"two", "three"}),
    "to": ({"createdTo": "2026-01-02"}, {"one"}),
    "range": ({"createdFrom": "2026-01-02", "createdTo": "2026-01-03T01:00:00+01:00"}, {"two"}),
    "updated": ({"updatedFrom": "2026-03-02", "updatedTo": "2026-03-04"}, {"two", "three"}),
    "nothing": ({"agentId": "module-writer", "updatedTo": "2026-01-01"}, set()),
}


async def test_filters_choose_what_is_listed_and_counted(
    alice: httpx.AsyncClient, service_pool: Pool
) -> None:
    await service_pool.execute(
        """
        INSERT INTO conversations (user_id, agent_id, agent_version, provider, title, metadata,
                                   created_at, updated_at)
        SELECT $1, agent, version, provider, title, jsonb_build_object('name', name), created, updated
        FROM (VALUES
            ('one', 'module-writer', 'grok-fast', 'openrouter', 'Grü%e',
             '2026-01-01Z'::timestamptz, '2026-03-01Z'::timestamptz),
            ('two', 'module-writer', 'concise', 'openrouter', 'Gruß', '2026-01-02Z', '2026-03-02Z'),
            ('three', 'module-writer', 'grok-fast', 'other', NULL, '2026-01-03Z', '2026-03-03Z'),
            ('four', 'player-moderator', 'default', 'openrouter', NULL, NULL, NULL)
        ) AS t (name, agent, version, provider, title, created, updated)
        """,
        user_of(alice),
    )
    for query, expected in FILTERS.values():
        for order in ("asc", "desc"):
            found = await pages(alice, CONVERSATIONS, limit=1, order=order, **query)
            assert sorted(item["metadata"]["name"] for item in found) == sorted(expected), query
        count = (await alice.get(CONVERSATIONS, params={"total": "true", **query})).json()["meta"]
        assert count == {"total": len(expected)}, query


async def test_a_count_ends_at_ten_thousand(
    alice: httpx.AsyncClient, service_pool: Pool, messages: str
) -> None:
    query = {"total": "true", "limit": "1"}
    small = (await alice.get(messages, params=query)).json()["meta"]
    assert (small["total"], "totalIsMinimum" in small) == (23, False)
    await service_pool.execute(FILL, user_of(alice), 10_001)
    large = (await alice.get(CONVERSATIONS, params=query)).json()["meta"]
    assert (large["total"], large["totalIsMinimum"]) == (10_000, True)


async def test_a_cursor_of_another_list_order_filter_or_user_is_a_400(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool, many: int, messages: str
) -> None:
    await service_pool.execute(FILL, user_of(mallory), 3)
    _, cursor = await page(alice, CONVERSATIONS, limit=2)
    assert cursor is not None
    other = f"{CONVERSATIONS}/{(await post(alice, CONVERSATIONS, agentId='module-writer'))['id']}/messages"
    _, of_messages = await page(alice, messages, limit=2)
    refused: list[tuple[httpx.AsyncClient, str, dict[str, Any]]] = [
        (alice, CONVERSATIONS, {"cursor": cursor, "order": "asc"}),
        (alice, CONVERSATIONS, {"cursor": cursor, "title": "1"}),
        (alice, BY_AGENT, {"cursor": cursor}),
        (alice, messages, {"cursor": cursor}),
        (mallory, CONVERSATIONS, {"cursor": cursor}),
        (alice, other, {"cursor": of_messages}),
        (alice, messages, {"cursor": of_messages, "order": "desc"}),
        *(
            (alice, CONVERSATIONS, {"cursor": damaged})
            for damaged in (cursor[:-1], "", "é", "x" * 5_000, "\x00")
        ),
    ]
    for client, path, query in refused:
        answer = await client.get(path, params={"limit": 2, **query})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["cursor"]), answer.text


IMPOSSIBLE = {
    "limit": ["0", "-5", "1001", "x", "1.5", "", "9" * 5_000],
    "order": ["up", ""],
    "total": ["perhaps"],
    "createdFrom": ["", "yesterday", "17", "2026-13-01", "0001-01-01T00:00:00+14:00"],
    "title": ["", "t" * 256, "\x00"],
    "provider": ["p" * 51],
    "agentId": ["module-writer/", "custom:nope"],
}


async def test_a_parameter_that_is_none_is_a_400_that_names_it(alice: httpx.AsyncClient) -> None:
    for name, values in IMPOSSIBLE.items():
        for value in values:
            answer = await alice.get(CONVERSATIONS, params={name: value})
            assert answer.status_code == 400, (name, value, answer.text)
            assert list(answer.json().get("details", [name])) == [name], (name, value, answer.text)


async def test_pages_of_anothers_messages_are_refused(mallory: httpx.AsyncClient, messages: str) -> None:
    for query in ({"limit": 1}, {"total": "true"}, {"order": "desc"}):
        assert (await mallory.get(messages, params=query)).status_code == 403
        unknown = f"{CONVERSATIONS}/{uuid4()}/messages"
        assert (await mallory.get(unknown, params=query)).status_code == 404

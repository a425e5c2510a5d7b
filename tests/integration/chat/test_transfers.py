"""A conversation is exported and imported exactly, or not at all."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, published, user_of

IMPORT = "/api/imports"
FILL = """
INSERT INTO messages (conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms,
                      model, created_at, sequence)
SELECT $1, (ARRAY['user', 'assistant', 'tool', 'system'])[n % 4 + 1], n || E' é\\n"\\t',
       CASE WHEN n % 3 = 0 THEN '[{"big": 1e308, "exact": 1.10, "u": "\\u00e9"}]'::jsonb END,
       CASE WHEN n % 5 = 0 THEN '{"a": null}'::jsonb END, n, NULL, CASE WHEN n % 2 = 0 THEN 'gpt-5' END,
       CASE WHEN n % 7 > 0 THEN '2026-01-01T00:00:00.000001Z'::timestamptz + n * interval '1 us' END, n * 2
FROM generate_series(1, $2) AS n
"""
STORED = """
SELECT c.agent_id, c.agent_version, c.title, c.provider, c.metadata::text, c.state::text, c.state_version,
       c.created_at, c.updated_at, c.message_sequence,
       (SELECT jsonb_agg(to_jsonb(m) - 'id' - 'conversation_id' ORDER BY m.sequence)::text
        FROM messages AS m WHERE m.conversation_id = c.id) AS messages,
       (SELECT array_agg(m.id ORDER BY m.sequence) FROM messages AS m WHERE m.conversation_id = c.id) AS ids
FROM conversations AS c WHERE c.id = $1
"""


@pytest.fixture
async def id(alice: httpx.AsyncClient, service_pool: Pool) -> str:
    """A conversation of 1,200 messages, with gaps, equal digits and missing times."""
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    await alice.patch(f"/api/conversations/{id}", json={"title": "Grüße 👋"})
    await alice.patch(f"/api/conversations/{id}/state", json={"deep": {"n": 1.5, "list": [None, True]}})
    async with service_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('takaro.message_order', 'numbered', true)")
        await connection.execute(FILL, UUID(id), 1_200)
        await connection.execute("UPDATE conversations SET message_sequence = 2401 WHERE id = $1", UUID(id))
    return str(id)


async def stored(pool: Pool, id: str) -> dict[str, Any]:
    row = await pool.fetchrow(STORED, UUID(id))
    assert row is not None
    return dict(row)


async def exported(client: httpx.AsyncClient, id: str) -> bytes:
    answer = await client.get(f"/api/conversations/{id}/export", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_what_was_exported_and_deleted_is_imported_exactly_and_told(
    alice: httpx.AsyncClient, service_pool: Pool, id: str, bus: Redis
) -> None:
    before, lines = await stored(service_pool, id), await exported(alice, id)
    assert (await alice.delete(f"/api/conversations/{id}")).status_code == 200
    answer = await alice.post(IMPORT, content=lines, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == {"id": id, "messages": 1_200}
    assert await stored(service_pool, id) == before
    assert await exported(alice, id) == lines
    assert (await post(alice, f"/api/conversations/{id}/messages", content="next"))["sequence"] == 2_402
    facts = await published(bus, id, 4 + 1 + 1_200 + 1)
    assert [fact["sequence"] for fact in facts] == [str(n) for n in range(1, len(facts) + 1)]
    kinds = [fact["type"].split(".")[2] for fact in facts]
    assert kinds == ["created", "titled", "state_changed", "deleted", "created", *["appended"] * 1_201]
    assert facts[5]["data"]["messageId"] == str(before["ids"][0])


async def test_a_copy_is_the_callers_and_has_new_ids(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool, id: str
) -> None:
    lines = await exported(alice, id)
    answer = await mallory.post(IMPORT, params={"copy": "true"}, content=lines, timeout=60)
    copied = answer.json()["data"]["id"]
    original, copy = await stored(service_pool, id), await stored(service_pool, copied)
    assert not set(original.pop("ids")) & set(copy.pop("ids"))
    assert copy == original
    owner = (await mallory.get(f"/api/conversations/{copied}")).json()["data"]["userId"]
    assert owner == user_of(mallory)
    assert (await mallory.get(f"/api/conversations/{id}/export")).status_code == 403


async def test_a_line_that_is_not_as_exported_is_named_and_nothing_is_imported(
    alice: httpx.AsyncClient, service_pool: Pool, id: str
) -> None:
    lines = (await exported(alice, id)).splitlines(keepends=True)
    count = await service_pool.fetchval("SELECT count(*) FROM conversations")

    def changed(place: int, **fields: Any) -> bytes:
        line = json.dumps({**json.loads(lines[place]), **fields}).encode() + b"\n"
        return b"".join([*lines[:place], line, *lines[place + 1 :]])

    refused: list[tuple[bytes, str]] = [
        (b"", "line 1"),
        (b"{}\n", "line 1"),
        (lines[1], "line 1"),
        (b"".join(lines[:-1]), "line 1202"),
        (b"".join(lines[:-2]) + lines[-1], "line 1201"),
        (b"".join([*lines, lines[-1]]), "line 1203"),
        (b"".join([*lines[:600], b"not json\n", *lines[600:]]), "line 601"),
        (b"".join([*lines[:9], lines[10], lines[9], *lines[11:]]), "line 11"),
        (b"".join([lines[0], *lines]), "line 2"),
        (changed(0, format=2), "line 1"),
        (changed(0, title="\x00"), "line 1"),
        (changed(700, content=5), "line 701"),
        (changed(700, content="a\x00b"), "line 701"),
        (changed(700, tokenCount=2**31), "line 701"),
        (changed(700, surprise=1), "line 701"),
    ]
    for body, line in refused:
        answer = await alice.post(IMPORT, params={"copy": "true"}, content=body, timeout=60)
        assert (answer.status_code, list(answer.json()["details"])) == (400, [line]), answer.text
    assert (await alice.post(IMPORT, content=b"".join(lines), timeout=60)).status_code == 409
    assert await service_pool.fetchval("SELECT count(*) FROM conversations") == count

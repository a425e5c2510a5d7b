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
       (SELECT array_agg(m.id ORDER BY m.sequence) FROM messages AS m WHERE m.conversation_id = c.id) AS ids,
       (SELECT jsonb_agg(to_jsonb(v) - 'conversation_id' - 'user_id' ORDER BY v.version)::text
        FROM chat_state_versions AS v WHERE v.conversation_id = c.id) AS versions
FROM conversations AS c WHERE c.id = $1
"""


@pytest.fixture
async def id(alice: httpx.AsyncClient, service_pool: Pool) -> str:
    """A conversation of 1,200 messages, with gaps, equal digits and missing times; some are rated, one is
    redacted, and the state was changed twice."""
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    await alice.patch(f"/api/conversations/{id}", json={"title": "Grüße 👋"})
    await alice.patch(f"/api/conversations/{id}/state", json={"deep": {"n": 1.5, "list": [None, True]}})
    await alice.put(f"/api/conversations/{id}/state", json={"state": {"é": "\u2028", "m": 1e30}})
    async with service_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('takaro.message_order', 'numbered', true)")
        await connection.execute(FILL, UUID(id), 1_200)
        await connection.execute("UPDATE conversations SET message_sequence = 2401 WHERE id = $1", UUID(id))
    listed = (await alice.get(f"/api/conversations/{id}/messages")).json()["data"]
    said = [message["id"] for message in listed if message["role"] == "assistant"]
    for message, given in ((said[0], {"rating": "up"}), (said[1], {"rating": "down", "note": "zu kurz 👎"})):
        rated = await alice.put(f"/api/conversations/{id}/messages/{message}/feedback", json=given)
        assert rated.status_code == 200, rated.text
    await post(alice, f"/api/conversations/{id}/messages/{said[2]}/redact")
    return str(id)


async def stored(pool: Pool, id: str) -> dict[str, Any]:
    row = await pool.fetchrow(STORED, UUID(id))
    assert row is not None
    return dict(row)


async def exported(client: httpx.AsyncClient, id: str, **params: str) -> bytes:
    answer = await client.get(f"/api/conversations/{id}/export", params=params, timeout=60)
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
    facts = await published(bus, id, 8 + 1 + 1_200 + 3 + 1)
    assert [fact["sequence"] for fact in facts] == [str(n) for n in range(1, len(facts) + 1)]
    kinds = [fact["type"].split(".")[2] for fact in facts]
    changed = ["state_changed"] * 2
    told = ["feedback_given"] * 2 + ["redacted"]
    assert kinds[:9] == ["created", "titled", *changed, *told, "deleted", "created"]
    assert [kind for kind in kinds[9:] if kind != "appended"] == told
    assert facts[9]["data"]["messageId"] == str(before["ids"][0])
    assert [fact["data"] for fact in facts[4:7]] == [
        fact["data"] for fact in facts[9:] if not fact["type"].endswith("appended.v1")
    ]


async def seen(client: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """What each GET about a conversation answers."""
    path = f"/api/conversations/{id}"
    asked = [path, f"{path}/messages", f"{path}/state", f"{path}/state/versions", "/api/conversations"]
    asked += [f"{path}/state/versions/{version}" for version in range(3)]
    answers = [await client.get(each) for each in (*asked, "/api/conversations/by-agent/module-writer")]
    assert {answer.status_code for answer in answers} == {200}
    return {answer.url.path: (answer.headers.get("ETag"), answer.json()) for answer in answers}


async def test_every_get_answers_for_an_imported_conversation_as_before(
    alice: httpx.AsyncClient, id: str
) -> None:
    before, lines = await seen(alice, id), await exported(alice, id)
    messages = before[f"/api/conversations/{id}/messages"][1]["data"]
    assert [len([m for m in messages if kind in m]) for kind in ("feedback", "redactedAt")] == [2, 1]
    versions = before[f"/api/conversations/{id}/state/versions"][1]["data"]
    assert [(each["version"], each["userId"]) for each in versions] == [
        (2, user_of(alice)),
        (1, user_of(alice)),
        (0, None),
    ]
    await alice.delete(f"/api/conversations/{id}")
    assert (await alice.post(IMPORT, content=lines, timeout=60)).status_code == 200
    assert await seen(alice, id) == before


async def test_an_export_without_the_states_history_and_one_of_an_older_release_are_imported(
    alice: httpx.AsyncClient, service_pool: Pool, id: str
) -> None:
    whole, short = await exported(alice, id), await exported(alice, id, stateHistory="false")
    kept = [line for line in whole.splitlines(keepends=True) if b'"type":"stateVersion"' not in line]
    assert short == b"".join(kept)
    assert len(kept) == 1_202
    old = [json.loads(line) for line in kept]
    old[0]["format"] = 1
    for line in old:
        line.pop("feedback", None), line.pop("redactedAt", None)
    before = await stored(service_pool, id)
    for file in (short, b"".join(json.dumps(line).encode() + b"\n" for line in old)):
        await alice.delete(f"/api/conversations/{id}")
        assert (await alice.post(IMPORT, content=file, timeout=60)).status_code == 200
        now = await stored(service_pool, id)
        assert now.pop("versions") is None
        expected = {name: value for name, value in before.items() if name != "versions"}
        if file is not short:
            now.pop("messages"), expected.pop("messages")
        assert now == expected
        listed = (await alice.get(f"/api/conversations/{id}/state/versions")).json()["data"]
        assert [each["version"] for each in listed] == [2]


async def test_what_is_imported_already_is_answered_and_something_else_under_its_id_refused(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, bus: Redis, id: str
) -> None:
    whole, short = await exported(alice, id), await exported(alice, id, stateHistory="false")
    before = await published(bus, id, 7)
    # As another program may write it: other spaces, and no end of the last line.
    spaced = b"\n".join(json.dumps(json.loads(line)).encode() for line in whole.split(b"\n")[:-1])
    for file in (whole, short, whole.removesuffix(b"\n"), spaced):
        again = await alice.post(IMPORT, content=file, timeout=60)
        assert (again.status_code, again.json().get("data")) == (200, {"id": id, "messages": 1_200})
    others = [
        (mallory, whole),
        (alice, whole + b"more\n"),
        (alice, whole.removesuffix(b'{"type":"end","messages":1200}\n')),
        (
            alice,
            whole.replace(b'"rating":"up"', b'"rating":"down"').replace(
                b'"rating": "up"', b'"rating":"down"'
            ),
        ),
    ]
    await post(alice, f"/api/conversations/{id}/messages", content="goes on")
    others.append((alice, whole))
    for client, file in others:
        refused = await client.post(IMPORT, content=file, timeout=60)
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (409, "conversation_exists")
    told = await published(bus, id, 8)
    assert told[:7] == before
    assert told[7]["data"]["content"] == "goes on"


async def test_a_copy_is_the_callers_and_has_new_ids(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool, id: str
) -> None:
    lines = await exported(alice, id)
    answer = await mallory.post(IMPORT, params={"copy": "true"}, content=lines, timeout=60)
    copied = answer.json()["data"]["id"]
    original, copy = await stored(service_pool, id), await stored(service_pool, copied)
    assert not set(original.pop("ids")) & set(copy.pop("ids"))
    copy["messages"] = copy["messages"].replace(user_of(mallory), user_of(alice))  # who gave the feedback
    assert copy == original
    authors = "SELECT array_agg(user_id ORDER BY version) FROM chat_state_versions WHERE conversation_id = $1"
    mallorys = user_of(mallory)
    assert await service_pool.fetchval(authors, UUID(copied)) == [None, mallorys, mallorys]
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
        (b"".join(lines[:-1]), "line 1205"),
        (b"".join(lines[:-2]) + lines[-1], "line 1204"),
        (b"".join([*lines, lines[-1]]), "line 1206"),
        (b"".join([*lines[:600], b"not json\n", *lines[600:]]), "line 601"),
        (b"".join([*lines[:9], lines[10], lines[9], *lines[11:]]), "line 11"),
        (b"".join([lines[0], *lines]), "line 2"),
        (b"".join([lines[0], lines[2], lines[1], *lines[3:]]), "line 3"),
        (b"".join([lines[0], lines[4], *lines[1:]]), "line 3"),
        (changed(0, format=3), "line 1"),
        (changed(0, title="\x00"), "line 1"),
        (changed(700, content=5), "line 701"),
        (changed(700, content="a\x00b"), "line 701"),
        (changed(700, tokenCount=2**31), "line 701"),
        (changed(700, surprise=1), "line 701"),
        (changed(3, version=9), "line 4"),
        (changed(3, state=[]), "line 4"),
        (changed(3, bytes=0), "line 4"),
        (changed(3, bytes=2**31), "line 4"),
        (changed(4, feedback={"rating": "up"}), "line 5"),
        (changed(7, feedback={"rating": "up", "at": "2026-11-28T12:00:00Z"}), "line 8"),
        (changed(700, redactedAt="2026-11-28T12:00:00Z"), "line 701"),
    ]
    for body, line in refused:
        answer = await alice.post(IMPORT, params={"copy": "true"}, content=body, timeout=60)
        assert (answer.status_code, list(answer.json()["details"])) == (400, [line]), answer.text
    assert (await alice.post(IMPORT, content=changed(7, content="else"), timeout=60)).status_code == 409
    assert await service_pool.fetchval("SELECT count(*) FROM conversations") == count

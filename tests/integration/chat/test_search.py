"""Full-text search over one's own messages."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chat.search import use_cases
from chat.search.indexing import index_waiting
from chat.search.routes import HITS
from common.postgres import Pool
from tests.integration.chat.conftest import NewConversation, node_message, post
from tests.support.services import Service
from tests.support.wait import eventually

SEARCH = "/api/messages/search"
FIRST = HITS.page(20, None, None)


async def _conversation(client: httpx.AsyncClient, *contents: str) -> str:
    conversation_id = (await post(client, "/api/conversations", agentId="module-writer"))["id"]
    for content in contents:
        await post(client, f"/api/conversations/{conversation_id}/messages", content=content)
    return str(conversation_id)


async def _indexed(pool: Pool) -> None:
    """Wait for the service, which indexes in the background."""

    async def look() -> bool:
        return not await pool.fetchval("SELECT count(*) FROM message_search_queue")

    await eventually(look)


async def _search(client: httpx.AsyncClient, q: str, **parameters: Any) -> dict[str, Any]:
    answer = await client.get(SEARCH, params={"q": q, **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _index(pool: Pool) -> None:
    """Do what the service does in the background."""
    while await index_waiting(pool):
        pass


def _texts(found: dict[str, Any]) -> list[str]:
    """Each hit as one text, matches in brackets."""
    return [
        " … ".join(
            "".join(f"[{part['text']}]" if part["match"] else part["text"] for part in fragment)
            for fragment in hit["fragments"]
        )
        for hit in found["data"]
    ]


async def test_own_messages_are_found_with_what_matched(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool
) -> None:
    conversation_id = await _conversation(alice, "Spawn a zombie near me", "nothing here")
    await _conversation(mallory, "My zombie is mine")
    await _indexed(service_pool)

    found = await _search(alice, "ZOMBIE")

    [hit] = found["data"]
    assert (hit["conversationId"], hit["sequence"], hit["role"]) == (conversation_id, 1, "user")
    assert (hit["agentId"], hit["agentVersion"], hit["conversationTitle"]) == (
        "module-writer",
        "grok-fast",
        None,
    )
    assert _texts(found) == ["Spawn a [zombie] near me"]
    assert found["meta"] == {"nextCursor": None}


@pytest.mark.parametrize(
    ("q", "texts"),
    [
        ("player teleport", ["[Teleport] the <b>[player]</b> & List<Item"]),
        ('"the player"', []),
        ('"teleport the"', ["[Teleport] [the] <b>player</b> & List<Item"]),
        ("ärger or 天气", ["今[天天气]很好", "Viel [ÄRGER] mit Mods"]),
        ("ärger -mods", []),
        ("气天", []),
        ("天气 好", ["今[天天气]很[好]"]),
        ("สวัส", ["[สวัส]ดีคร[ั]บ"]),
        ("item", ["Teleport the <b>player</b> & List<[Item]"]),
        ("don't-care: ) ( & | ! <-> *", []),
    ],
)
async def test_words_phrases_and_scripts(chat: Service, service_pool: Pool, q: str, texts: list[str]) -> None:
    async with chat.client(f"words-{uuid4()}") as client:
        await _conversation(
            client,
            "Teleport the <b>player</b> & List<Item>",
            "Viel ÄRGER mit Mods",
            "今天天气很好",
            "สวัสดีครับ",
        )
        await _indexed(service_pool)
        assert _texts(await _search(client, q)) == texts


@pytest.mark.parametrize("q", ["", "   ", "!!!", "-zombie", "zombie or -x", "\x00", "x" * 501])
async def test_a_query_without_a_word_to_find_is_refused(alice: httpx.AsyncClient, q: str) -> None:
    answer = await alice.get(SEARCH, params={"q": q})
    assert answer.status_code == 400
    assert list(answer.json()["details"]) == ["q"]


async def test_other_parameters_are_refused_too(alice: httpx.AsyncClient, service_pool: Pool) -> None:
    assert (await alice.get(SEARCH)).status_code == 400
    for wrong in ({"limit": 0}, {"limit": 51}, {"limit": "x"}, {"cursor": "x"}):
        assert (await alice.get(SEARCH, params={"q": "x", **wrong})).status_code == 400, wrong
    await _conversation(alice, *("page" for _ in range(2)))
    await _indexed(service_pool)
    cursor = (await _search(alice, "page", limit=1))["meta"]["nextCursor"]
    assert (await alice.get(SEARCH, params={"q": "other", "cursor": cursor})).status_code == 400


async def test_control_characters_are_no_markers(alice: httpx.AsyncClient, service_pool: Pool) -> None:
    await _conversation(alice, "a \x02trap\x03 with\x04 bait\x1f and \x1ftrap")
    await _indexed(service_pool)
    [hit] = (await _search(alice, "bait"))["data"]
    assert [part["text"] for fragment in hit["fragments"] for part in fragment if part["match"]] == ["bait"]


@pytest.mark.parametrize("newest", [use_cases.NEWEST, 0])
async def test_pages_are_newest_first_and_skip_nothing(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch, newest: int
) -> None:
    """Both ways to find a page's messages: among the newest, and by the full-text index alone."""
    monkeypatch.setattr(use_cases, "NEWEST", newest)
    for conversation_id in [await conversation() for _ in range(3)]:
        for number in range(4):
            await node_message(pool, conversation_id, f"needle {number}" if number % 2 else "hay")
    await pool.execute("UPDATE messages SET created_at = '2026-01-01' WHERE content = 'needle 3'")
    await node_message(pool, await conversation("bob"), "needle of bob")
    await _index(pool)

    seen: list[Any] = []
    cursor = None
    while cursor or not seen:
        hits, cursor = await use_cases.search(pool, "alice", "needle", HITS.page(2, cursor, None))
        seen += hits

    assert len({hit.id for hit in seen}) == len(seen) == 6
    keys = [(hit.created_at, hit.conversation_id, hit.sequence) for hit in seen]
    assert keys == sorted(keys, key=lambda key: (key[0] or 0, *key[1:]), reverse=True)


async def test_what_changes_is_found_as_it_is(pool: Pool, conversation: NewConversation) -> None:
    """By our inserts and by the Node application's, changes and deletions alike."""

    async def found(word: str) -> list[UUID]:
        await _index(pool)
        return [hit.id for hit in (await use_cases.search(pool, "alice", word, FIRST))[0]]

    first, second = await conversation(), await conversation()
    message = await node_message(pool, first, "before")
    other = await node_message(pool, second, "before")
    await node_message(pool, await conversation(None), "before, of nobody")
    assert await found("before") == [other["id"], message["id"]]

    await pool.execute("UPDATE messages SET content = 'after' WHERE id = $1", message["id"])
    assert (await found("before"), await found("after")) == ([other["id"]], [message["id"]])

    await pool.execute("DELETE FROM messages WHERE id = $1", message["id"])
    await pool.execute("DELETE FROM conversations WHERE id = $1", second)
    assert await pool.fetch("SELECT FROM message_search WHERE user_id = 'alice'") == []


async def test_a_message_that_is_gone_before_it_is_indexed_stays_out(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    await node_message(pool, conversation_id, "short life")
    await pool.execute("DELETE FROM conversations WHERE id = $1", conversation_id)
    await _index(pool)
    assert await pool.fetchval("SELECT count(*) FROM message_search") == 0


async def test_an_index_run_waits_for_a_deletion_that_holds_the_conversation(
    pool: Pool, conversation: NewConversation
) -> None:
    """Otherwise it would index what it read before the deletion, and nobody would ever take that out."""
    conversation_id = await conversation()
    await node_message(pool, conversation_id, "short life")
    async with pool.acquire() as deleter:
        async with deleter.transaction():
            await deleter.execute("SELECT FROM conversations WHERE id = $1 FOR UPDATE", conversation_id)
            run = asyncio.create_task(index_waiting(pool))

            async def waits() -> bool:
                return bool(await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

            await eventually(waits)
            await deleter.execute("DELETE FROM conversations WHERE id = $1", conversation_id)
        assert await run == 1
    assert await pool.fetchval("SELECT count(*) FROM message_search") == 0


@pytest.mark.parametrize(
    "content",
    [
        "first " + "x" * 4_000_000,
        "first " + " ".join(f"w{number}" for number in range(20_000)),
        "first " + "\U00020001" * 60_000,
        "first " + " ".join(f"http://h{n}.io/a-b_{n}/é{n}@x.y" for n in range(2_000)),
        "first " + "".join(f"é{chr(0x100 + n % 0xCFFF)}-" for n in range(20_000)),
    ],
    ids=["one word", "many words", "one character each", "addresses", "hyphens"],
)
async def test_a_huge_message_is_stored_and_found_by_its_beginning(
    pool: Pool, conversation: NewConversation, content: str
) -> None:
    message = await node_message(pool, await conversation(), content)
    await _index(pool)
    hits, _ = await use_cases.search(pool, "alice", "first", FIRST)
    assert [hit.id for hit in hits] == [message["id"]]
    assert len(str(hits[0].fragments)) < 10_000


async def test_no_text_is_taken_for_its_owner(pool: Pool, conversation: NewConversation) -> None:
    """What marks a message as Alice's can't be written by Bob, however the text is cut into words."""
    [word] = await pool.fetchval("SELECT tsvector_to_array(message_words('alice', ''))")
    for forged in (word, f"'{word}'", f'"{word}"', word.replace(" ", "\x1f")):
        message = await node_message(pool, await conversation("bob"), f"{forged} secret")
        await _index(pool)
        words = await pool.fetchval(
            "SELECT tsvector_to_array(words) FROM message_search WHERE conversation_id = $1",
            message["conversation_id"],
        )
        assert word not in words
    assert (await use_cases.search(pool, "alice", "secret", FIRST))[0] == []

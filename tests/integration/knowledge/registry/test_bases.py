"""A base that a user creates over HTTP, from its first sync to its end: the real process."""

import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.registry.asking import BASES, newest_sync, wanted
from tests.support.knowledge import chunks_of, fetch, state_of
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)


async def test_a_user_s_base_is_synced_and_searched_as_soon_as_it_is_made(
    ada: httpx.AsyncClient, database: str
) -> None:
    made = await ada.post(BASES, json=wanted(extensions=["md"], refreshSchedule="0 * * * *"))
    assert made.status_code == 201, made.text
    shown = made.json()["data"]
    assert shown.items() >= wanted(extensions=[".md"], public=False, origin="api", version="latest").items()
    assert (shown["refreshSchedule"], shown["lastCommitSha"]) == ("0 * * * *", None)
    sync = await newest_sync(ada)
    told = (sync["state"], sync["trigger"], sync["type"], sync["added"])
    assert told == ("completed", "registry", "full", 2)
    assert sync["commit"] == await state_of(database, "handbook")
    assert [(file["path"], file["change"]) for file in sync["files"]] == [
        ("docs/buttons.md", "added"),
        ("docs/levers.md", "added"),
    ]
    assert sync["progress"]["filesRead"] == sync["progress"]["filesToRead"] == 2
    hits = await ada.get(f"{BASES}/handbook/search", params={"q": "stop the machine", "limit": 1})
    assert hits.json()["data"][0]["metadata"]["sourceFile"] == "docs/levers.md"


async def test_the_versions_of_a_base_are_searched_and_deleted_by_name(
    ada: httpx.AsyncClient, handbook: str
) -> None:
    assert (await ada.get(handbook)).json()["data"]["versions"] == ["latest"]
    named = await ada.get(f"{handbook}/search?q=lever&version=latest&limit=1")
    assert len(named.json()["data"]) == 1
    for method, path in (("GET", "/search?q=lever&"), ("DELETE", "?")):
        for version, status in {"": 400, "x" * 51: 400, "%00": 400, "none": 404}.items():
            answer = await ada.request(method, f"{handbook}{path}version={version}")
            assert answer.status_code == status, (method, version, answer.text)
    assert answer.json() == {"error": "This knowledge base has no version 'none'"}
    misspelled = await ada.delete(f"{handbook}?versions=none")
    assert (misspelled.status_code, list(misspelled.json()["details"])) == (400, ["versions"])
    in_use = await ada.delete(f"{handbook}?version=latest")
    assert (in_use.status_code, in_use.json()["error"]) == (
        409,
        "'latest' is the version that searches find",
    )


async def test_a_base_is_its_owner_s_alone_and_only_its_owner_changes_one_that_is_shown_to_all(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, handbook: str
) -> None:
    assert [base["id"] for base in (await ada.get(BASES)).json()["data"]] == ["guide", "handbook"]
    assert [base["id"] for base in (await bob.get(BASES)).json()["data"]] == ["guide"]
    for method, path in [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("DELETE", "?version=latest"),
        ("GET", "/search?q=x"),
        ("GET", "/agents"),
        ("GET", "/syncs"),
        ("POST", "/sync"),
    ]:
        body = {"json": {"public": True}} if method == "PUT" else {}
        answer = await bob.request(method, f"{handbook}{path}", **body)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"}), path
    assert (await ada.put(handbook, json={"public": True})).json()["data"]["public"]
    assert (await bob.get(f"{handbook}/search?q=lever")).status_code == 200
    assert (await bob.delete(handbook)).status_code == 403
    await newest_sync(ada)  # nothing of the content changed, so nothing was synced


async def test_a_change_is_synced_and_scheduled_at_once(
    ada: httpx.AsyncClient, handbook: str, redis: Redis, database: str
) -> None:
    changed = await ada.put(handbook, json={"include": ["**/levers.md"], "chunkSize": 400})
    assert changed.json()["data"]["chunkSize"] == 400
    sync = await newest_sync(ada, count=2)
    assert (sync["trigger"], sync["removed"]) == ("registry", 1)
    assert {chunk["path"] for chunk in await chunks_of(database, "handbook")} == {"docs/levers.md"}

    async def scheduled() -> bool:
        assert "400" in (await redis.hget("bull:kb-sync:repeat:kb-sync-handbook", "data") or "")
        return await redis.zscore("bull:kb-sync:repeat", "kb-sync-handbook") is not None

    await eventually(scheduled)


async def test_everything_of_a_base_goes_with_it(
    ada: httpx.AsyncClient, handbook: str, redis: Redis, database: str
) -> None:
    key = "bull:kb-sync:repeat:kb-sync-handbook"
    await eventually(lambda: redis.exists(key))
    assert (await ada.delete(handbook)).json() == {"success": True}
    assert (await ada.get(handbook)).status_code == 404
    assert (await ada.delete(handbook)).status_code == 404

    async def unscheduled() -> bool:
        return not await redis.exists(key) and await redis.zcard("bull:kb-sync:delayed") == 0

    await eventually(unscheduled)
    for table in ("embeddings", "sync_state", "indexes", "files", "syncs"):
        query = f"SELECT count(*) FROM knowledge_{table} WHERE knowledge_base_id = 'handbook'"
        assert (await fetch(database, query))[0][0] == 0, table


async def test_facts_count_on_when_an_id_is_used_again(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, handbook: str, redis: Redis
) -> None:
    assert (await ada.delete(handbook)).json() == {"success": True}
    assert (await bob.post(BASES, json=wanted(public=True))).status_code == 201
    await newest_sync(bob)

    async def facts() -> Any:
        entries: Any = await redis.xrange("knowledge.events")
        told = [fields for _, fields in entries if fields["subject"] == "handbook"]
        assert told[-1]["type"] == "knowledge.sync.completed.v1"
        assert sum(fields["type"] == "knowledge.sync.completed.v1" for fields in told) >= 2
        return told

    told = await eventually(facts)
    assert [int(fact["sequence"]) for fact in told] == list(range(1, len(told) + 1))
    [gone] = [json.loads(fact["data"]) for fact in told if json.loads(fact["data"]).get("deleted")]
    assert (gone["knowledgeBaseId"], gone["ownerId"]) == ("handbook", "ada")

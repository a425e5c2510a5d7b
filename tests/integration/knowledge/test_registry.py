"""Bases that users make over HTTP, and GitHub's pushes: the real process."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.github import GitRepository, serve_github
from tests.support.knowledge import Jobs, chunks_of, fetch, knowledge_service, state_of
from tests.support.services import Service
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)
BASES = "/api/knowledge-bases"
SECRET = "a secret of the webhook"


@pytest.fixture
async def service(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> AsyncIterator[tuple[Service, GitRepository]]:
    """A service over ``acme/handbook`` of a GitHub, that also declares one base of its own."""
    repository = GitRepository(tmp_path / "repository")
    repository.write("docs/levers.md", "# Levers\n\nPull the red lever to stop the machine.")
    repository.write("docs/buttons.md", "# Buttons\n\nThe green button starts the machine.")
    repository.commit()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.md").write_text("Ours.")
    (tmp_path / "bases.yaml").write_text("knowledgeBases: [{id: guide, source: own}]")
    async with serve_github(repository) as github:
        environment = {
            "KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml"),
            "LOCAL_SOURCES_ROOT": str(tmp_path / "shared"),
            "GITHUB_API_URL": github.api_url,
            "GITHUB_RAW_URL": github.raw_url,
            "GITHUB_WEBHOOK_SECRET": SECRET,
            "SCHEDULES_CHECK_SECONDS": "600",
        }
        async with knowledge_service(database, redis_url, tmp_path / "service", **environment) as running:
            yield running, repository


def wanted(**more: Any) -> dict[str, Any]:
    source = "https://github.com/acme/handbook/tree/main/docs"
    return {"id": "handbook", "name": "Handbook", "source": source, **more}


async def newest_sync(client: httpx.AsyncClient, base_id: str = "handbook", *, count: int = 1) -> Any:
    """The newest of ``count`` syncs, once all of them have ended."""

    async def ended() -> Any:
        syncs = (await client.get(f"{BASES}/{base_id}/syncs")).json()["data"]
        assert len(syncs) == count, syncs
        assert all(sync["state"] in ("completed", "failed") for sync in syncs), syncs
        return syncs[0]

    return await eventually(ended, timeout=30)


async def test_a_user_s_base_from_its_first_sync_to_its_end(
    service: tuple[Service, GitRepository], redis: Redis, database: str
) -> None:
    running, _ = service
    async with running.client("ada") as ada, running.client("bob") as bob:
        made = await ada.post(BASES, json=wanted(extensions=["md"], refreshSchedule="0 * * * *"))
        assert made.status_code == 201, made.text
        shown = made.json()["data"]
        assert (
            shown.items() >= wanted(extensions=[".md"], public=False, origin="api", version="latest").items()
        )
        assert (shown["refreshSchedule"], shown["lastCommitSha"]) == ("0 * * * *", None)
        sync = await newest_sync(ada)
        assert (sync["state"], sync["trigger"], sync["type"], sync["added"]) == (
            "completed",
            "registry",
            "full",
            2,
        )
        assert sync["commit"] == await state_of(database, "handbook")
        assert [(file["path"], file["change"]) for file in sync["files"]] == [
            ("docs/buttons.md", "added"),
            ("docs/levers.md", "added"),
        ]
        assert sync["progress"]["filesRead"] == sync["progress"]["filesToRead"] == 2
        hits = await ada.get(f"{BASES}/handbook/search", params={"q": "stop the machine", "limit": 1})
        assert hits.json()["data"][0]["metadata"]["sourceFile"] == "docs/levers.md"

        # Its versions are searched and deleted by name.
        assert (await ada.get(f"{BASES}/handbook")).json()["data"]["versions"] == ["latest"]
        named = await ada.get(f"{BASES}/handbook/search?q=lever&version=latest&limit=1")
        assert len(named.json()["data"]) == 1
        for method, path in (("GET", "/search?q=lever&"), ("DELETE", "?")):
            for version, status in {"": 400, "x" * 51: 400, "%00": 400, "none": 404}.items():
                answer = await ada.request(method, f"{BASES}/handbook{path}version={version}")
                assert answer.status_code == status, (method, version, answer.text)
        assert answer.json() == {"error": "This knowledge base has no version 'none'"}
        misspelled = await ada.delete(f"{BASES}/handbook?versions=none")
        assert (misspelled.status_code, list(misspelled.json()["details"])) == (400, ["versions"])
        in_use = await ada.delete(f"{BASES}/handbook?version=latest")
        assert (in_use.status_code, in_use.json()["error"]) == (
            409,
            "'latest' is the version that searches find",
        )

        # Nobody else sees it.
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
            answer = await bob.request(method, f"{BASES}/handbook{path}", **body)  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"}), path

        # Shown to all, it still is only its owner's.
        assert (await ada.put(f"{BASES}/handbook", json={"public": True})).json()["data"]["public"]
        assert (await bob.get(f"{BASES}/handbook/search?q=lever")).status_code == 200
        assert (await bob.delete(f"{BASES}/handbook")).status_code == 403
        await newest_sync(ada)  # nothing of the content changed, so nothing was synced

        changed = await ada.put(f"{BASES}/handbook", json={"include": ["**/levers.md"], "chunkSize": 400})
        assert changed.json()["data"]["chunkSize"] == 400
        sync = await newest_sync(ada, count=2)
        assert (sync["trigger"], sync["removed"]) == ("registry", 1)
        assert {chunk["path"] for chunk in await chunks_of(database, "handbook")} == {"docs/levers.md"}

        # Its schedule is in Redis, follows each change at once, and goes with the base.
        key = "bull:kb-sync:repeat:kb-sync-handbook"

        async def scheduled() -> bool:
            assert "400" in (await redis.hget(key, "data") or "")
            return await redis.zscore("bull:kb-sync:repeat", "kb-sync-handbook") is not None

        await eventually(scheduled)
        assert (await ada.delete(f"{BASES}/handbook")).json() == {"success": True}
        assert (await ada.get(f"{BASES}/handbook")).status_code == 404
        assert (await ada.delete(f"{BASES}/handbook")).status_code == 404

        async def unscheduled() -> bool:
            return not await redis.exists(key) and await redis.zcard("bull:kb-sync:delayed") == 0

        await eventually(unscheduled)
        for table in ("embeddings", "sync_state", "indexes", "files", "syncs"):
            query = f"SELECT count(*) FROM knowledge_{table} WHERE knowledge_base_id = 'handbook'"
            assert (await fetch(database, query))[0][0] == 0, table

        # Its facts count on when the id is used again.
        assert (await bob.post(BASES, json=wanted(public=True))).status_code == 201
        await newest_sync(bob)

    async def facts() -> Any:
        entries: Any = await redis.xrange("knowledge.events")
        told = [fields for _, fields in entries if fields["subject"] == "handbook"]
        assert told[-1]["type"] == "knowledge.sync.completed.v1"
        return told

    told = await eventually(facts)
    assert [int(fact["sequence"]) for fact in told] == list(range(1, len(told) + 1))
    [gone] = [json.loads(fact["data"]) for fact in told if json.loads(fact["data"]).get("deleted")]
    assert (gone["knowledgeBaseId"], gone["ownerId"]) == ("handbook", "ada")


async def test_what_can_t_be_a_base_is_refused_with_reasons(
    service: tuple[Service, GitRepository], tmp_path: Path
) -> None:
    running, _ = service
    shared = tmp_path / "shared" / "docs"
    shared.mkdir(parents=True)
    (tmp_path / "shared" / "way-out").symlink_to(tmp_path / "own")
    async with running.client("ada") as ada:
        for field, value in {
            "id": "a/b",
            "name": "",
            "source": "ftp://nowhere",
            "version": "x" * 51,
            "extensions": "md",
            "include": [""],
            "chunkSize": 10,
            "chunkOverlap": 1000,
            "refreshSchedule": "every hour",
            "public": "yes",
        }.items():
            answer = await ada.post(BASES, json=wanted(**{field: value}))
            assert answer.status_code == 400, field
            assert answer.json()["error"] == "Validation failed"
            assert any(where.startswith(field) for where in answer.json()["details"]), answer.json()
        for outside in ("file:///etc", (tmp_path / "own").as_uri(), (tmp_path / "shared/way-out").as_uri()):
            answer = await ada.post(BASES, json=wanted(source=outside))
            assert (answer.status_code, list(answer.json()["details"])) == (400, ["source"])
        assert (await ada.post(BASES, json=wanted(source=shared.as_uri()))).status_code == 201
        again = await ada.post(BASES, json=wanted())
        assert (again.status_code, again.json()["error"]) == (
            409,
            "A knowledge base with this id already exists",
        )
        bad = await ada.put(f"{BASES}/handbook", json={"chunkOverlap": 1000})
        assert bad.json()["details"] == {"chunkOverlap": ["must be less than chunkSize"]}
        for answer in (
            await ada.put(f"{BASES}/guide", json={"name": "Mine"}),
            await ada.delete(f"{BASES}/guide"),
        ):
            assert (answer.status_code, answer.json()["error"]) == (
                403,
                "Forbidden: guide is defined by the settings file",
            )
        assert (await ada.get(f"{BASES}/guide/syncs", params={"limit": 0})).status_code == 400


def delivery(event: str, payload: dict[str, Any], *, key: str = SECRET, name: str = "d-1") -> dict[str, Any]:
    """The arguments of a POST as GitHub makes it."""
    body = json.dumps(payload).encode()
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return {"content": body, "headers": headers}


def push(*paths: str, ref: str = "refs/heads/main") -> dict[str, Any]:
    commits = [{"id": "1", "added": [], "modified": list(paths), "removed": []}]
    return {"ref": ref, "repository": {"full_name": "acme/handbook"}, "commits": commits}


async def test_a_push_syncs_what_it_touches_once(
    service: tuple[Service, GitRepository], redis: Redis
) -> None:
    running, repository = service
    url = f"{BASES}/webhooks/github"
    async with (
        running.client("ada") as ada,
        httpx.AsyncClient(base_url=running.url, trust_env=False) as github,
    ):
        await ada.post(BASES, json=wanted())
        await newest_sync(ada)
        repository.write("docs/levers.md", "The blue lever opens the hatch.")
        commit = repository.commit()

        forged = await github.post(url, **delivery("push", push("docs/levers.md"), key="guessed"))
        assert forged.status_code == 401
        unsigned = await github.post(url, json=push("docs/levers.md"))
        assert unsigned.status_code == 401
        pinged = await github.post(url, **delivery("ping", {"zen": "Design for failure."}))
        assert (pinged.status_code, pinged.json()["data"]["syncs"]) == (200, [])
        for untouched in (
            push("docs-old/x.md"),
            push("docs/x.md", ref="refs/heads/next"),
            {**push(), "deleted": True},
        ):
            answer = await github.post(url, **delivery("push", untouched))
            assert (answer.status_code, answer.json()["data"]["syncs"]) == (200, [])
        broken = await github.post(url, **delivery("push", {"ref": "refs/heads/main"}))
        assert (broken.status_code, list(broken.json()["details"])) == (400, ["repository"])

        first = await github.post(url, **delivery("push", push("docs/levers.md"), name="d-2"))
        again = await github.post(url, **delivery("push", push("docs/levers.md"), name="d-2"))
        assert first.json() == again.json()
        [asked] = first.json()["data"]["syncs"]
        assert (await Jobs(redis).finished(asked["jobId"]))["state"] == "completed"
        sync = await newest_sync(ada, count=2)
        assert (sync["trigger"], sync["commit"], sync["modified"]) == ("webhook", commit, 1)
        assert sync["jobId"] == asked["jobId"]

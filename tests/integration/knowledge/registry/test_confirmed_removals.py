"""How people and programs confirm that most of a base is to be removed: the real process."""

import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.cli.terminal import Terminal
from tests.integration.knowledge.registry.asking import BASES, newest_sync, wanted
from tests.integration.knowledge.registry.test_pushes import delivery, push
from tests.support.github import FakeGitHub
from tests.support.knowledge import Jobs, chunks_of
from tests.support.services import Service

pytestmark = pytest.mark.timeout(180)

FILES = 12


@pytest.fixture
async def emptied(
    service: tuple[Service, Any], ada: httpx.AsyncClient, github: FakeGitHub
) -> dict[str, Any]:
    """Ada's base of twelve files, whose repository has lost them since. The data of its jobs."""
    repository = github.repository
    repository.write("pages/logo.png", b"\x89PNG\x00")
    for number in range(FILES):
        repository.write(f"pages/{number}.md", f"Page {number} says something of its own.")
    repository.commit()
    source = github.source("pages")
    made = await ada.post(BASES, json=wanted(source=source))
    assert made.status_code == 201, made.text
    await newest_sync(ada)
    repository.git("rm", "-q", *(f"pages/{number}.md" for number in range(FILES)))
    repository.commit()
    return {"knowledgeBaseId": "handbook", "version": "latest", "source": source}


async def test_every_other_request_fails_alike_until_one_confirms_it(
    service: tuple[Service, Any],
    ada: httpx.AsyncClient,
    redis: Redis,
    emptied: dict[str, Any],
    database: str,
) -> None:
    jobs, kb = Jobs(redis), Terminal({"KNOWLEDGE_URL": service[0].url})
    command: Any = {"type": "knowledge.sync.request.v1", "data": json.dumps({"knowledgeBaseId": "handbook"})}

    async def by_http() -> None:
        await ada.post(f"{BASES}/handbook/sync", json={"confirmRemoval": False})

    async def by_command() -> None:
        await redis.xadd("knowledge.commands", command)

    async def by_push() -> None:
        answer = await ada.post(f"{BASES}/webhooks/github", **delivery("push", push("pages/1.md")))
        assert len(answer.json()["data"]["syncs"]) == 1

    async def by_schedule() -> None:
        await jobs.add({**emptied, "registered": True})

    async def by_command_line() -> None:
        said = await kb("kb", "sync", "handbook", "--watch", "--user", "ada", expect=1)
        assert "--confirm-removal" in said.err

    for count, ask in enumerate((by_http, by_command, by_push, by_schedule, by_command_line), start=2):
        await ask()
        sync = await newest_sync(ada, count=count)
        assert sync["state"] == "failed", ask
        assert "confirmRemoval: true" in sync["error"]
        base = (await ada.get(f"{BASES}/handbook")).json()["data"]
        assert (base["state"], base["documentCount"], base["lastError"]) == ("failed", FILES, sync["error"])
    assert len(await chunks_of(database, "handbook")) == FILES
    wrong = await ada.post(f"{BASES}/handbook/sync", json={"confirmRemoval": "perhaps"})
    assert (wrong.status_code, list(wrong.json()["details"])) == (400, ["confirmRemoval"])


@pytest.mark.parametrize("way", ["http", "command", "command line", "job"])
async def test_a_request_that_confirms_it_is_carried_out(
    service: tuple[Service, Any],
    ada: httpx.AsyncClient,
    redis: Redis,
    emptied: dict[str, Any],
    database: str,
    way: str,
) -> None:
    if way == "http":
        answer = await ada.post(f"{BASES}/handbook/sync", json={"confirmRemoval": True})
        assert answer.status_code == 200, answer.text
    elif way == "command":
        wanted = {"knowledgeBaseId": "handbook", "confirmRemoval": True}
        fields: Any = {"type": "knowledge.sync.request.v1", "data": json.dumps(wanted)}
        await redis.xadd("knowledge.commands", fields)
    elif way == "job":
        await Jobs(redis).add({**emptied, "confirmRemoval": True})
    else:
        kb = Terminal({"KNOWLEDGE_URL": service[0].url})
        said = await kb("kb", "sync", "handbook", "--confirm-removal", "--watch", "--user", "ada")
        assert f"{FILES} removed" in said.out
    sync = await newest_sync(ada, count=2)
    assert (sync["state"], sync["removed"]) == ("completed", FILES), sync
    assert await chunks_of(database, "handbook") == []
    base = (await ada.get(f"{BASES}/handbook")).json()["data"]
    assert (base["state"], base["lastError"]) == ("idle", None)

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


async def make_emptied(ada: httpx.AsyncClient, github: FakeGitHub, *ids: str) -> dict[str, Any]:
    """Ada's bases of twelve files, whose repository has lost them since. What jobs for them hold."""
    repository = github.repository
    repository.write("pages/logo.png", b"\x89PNG\x00")
    for number in range(FILES):
        repository.write(f"pages/{number}.md", f"Page {number} says something of its own.")
    repository.commit()
    source = github.source("pages")
    for base_id in ids:
        made = await ada.post(BASES, json=wanted(id=base_id, source=source))
        assert made.status_code == 201, made.text
    for base_id in ids:
        await newest_sync(ada, base_id)
    repository.git("rm", "-q", *(f"pages/{number}.md" for number in range(FILES)))
    repository.commit()
    return {"version": "latest", "source": source}


async def test_every_other_request_fails_alike_until_one_confirms_it(
    service: tuple[Service, Any],
    ada: httpx.AsyncClient,
    redis: Redis,
    github: FakeGitHub,
    database: str,
) -> None:
    data = await make_emptied(ada, github, "handbook")
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
        await jobs.add({**data, "knowledgeBaseId": "handbook", "registered": True})

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


async def test_a_request_that_confirms_it_is_carried_out(
    service: tuple[Service, Any],
    ada: httpx.AsyncClient,
    redis: Redis,
    github: FakeGitHub,
    database: str,
) -> None:
    ways = ("by-http", "by-command", "by-job", "by-command-line")
    data = await make_emptied(ada, github, *ways)
    answer = await ada.post(f"{BASES}/by-http/sync", json={"confirmRemoval": True})
    assert answer.status_code == 200, answer.text
    command = {"knowledgeBaseId": "by-command", "confirmRemoval": True}
    fields: Any = {"type": "knowledge.sync.request.v1", "data": json.dumps(command)}
    await redis.xadd("knowledge.commands", fields)
    await Jobs(redis).add({**data, "knowledgeBaseId": "by-job", "confirmRemoval": True})
    kb = Terminal({"KNOWLEDGE_URL": service[0].url})
    said = await kb("kb", "sync", "by-command-line", "--confirm-removal", "--watch", "--user", "ada")
    assert f"{FILES} removed" in said.out
    for base_id in ways:
        sync = await newest_sync(ada, base_id, count=2)
        assert (sync["state"], sync["removed"]) == ("completed", FILES), sync
        assert await chunks_of(database, base_id) == []
        base = (await ada.get(f"{BASES}/{base_id}")).json()["data"]
        assert (base["state"], base["lastError"]) == ("idle", None)

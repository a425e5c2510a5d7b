"""Many requests for one base become one run, and one behind it; each is answered: the real process."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.registry.asking import BASES
from tests.integration.knowledge.registry.test_pushes import delivery, push
from tests.integration.knowledge.service.asking import events
from tests.support.github import Answer, FakeGitHub, GitRepository
from tests.support.knowledge import Jobs, chunks_of, fetch
from tests.support.services import Service
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(240)

STARTED, COMPLETED, FAILED = (f"knowledge.sync.{what}.v1" for what in ("started", "completed", "failed"))


class Gate:
    """Holds GitHub's answer to the first question for a commit, until it is opened."""

    def __init__(self, github: FakeGitHub) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()
        github.fault = self._hold

    def _hold(self, target: str) -> Answer | None:
        if "/commits" in target and not self._reached.is_set():
            self._reached.set()
            self._opened.wait(120)
        return None

    async def reached(self) -> None:
        await eventually(self._reached.is_set, timeout=60)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
async def gate(github: FakeGitHub, handbook: str) -> AsyncIterator[Gate]:
    """Closed once Ada's base has had its first sync."""
    gate = Gate(github)
    yield gate
    gate.open()


@pytest.fixture
async def data(ada: httpx.AsyncClient, handbook: str) -> dict[str, Any]:
    """What the Node application's jobs for the base hold."""
    base = (await ada.get(handbook)).json()["data"]
    names = ("version", "source", "extensions", "chunkSize", "chunkOverlap")
    return {"knowledgeBaseId": base["id"], **{name: base[name] for name in names}}


class Requests:
    """Requests for syncs of the base by every way, and their answers."""

    def __init__(self, ada: httpx.AsyncClient, redis: Redis, data: dict[str, Any], handbook: str) -> None:
        self._ada, self._redis, self._data, self._path = ada, redis, data, handbook
        self.jobs = Jobs(redis)
        self.asked: list[str] = []

    async def by_http(self, **body: Any) -> str:
        answer = await self._ada.post(f"{self._path}/sync", json=body or None)
        assert answer.status_code == 200, answer.text
        return self._add(answer.json()["data"]["jobId"])

    async def by_command(self, **more: Any) -> str:
        command_id = str(uuid4())
        wanted = {"knowledgeBaseId": "handbook", **more}
        fields: Any = {"id": command_id, "type": "knowledge.sync.request.v1", "data": json.dumps(wanted)}
        await self._redis.xadd("knowledge.commands", fields)
        return self._add(f"sync-{command_id}")

    async def by_push(self, name: str) -> str:
        url = f"{BASES}/webhooks/github"
        answer = await self._ada.post(url, **delivery("push", push("docs/levers.md"), name=name))
        [asked] = answer.json()["data"]["syncs"]
        return self._add(asked["jobId"])

    async def by_job(self, **more: Any) -> str:
        """As the Node application asks; ``registered`` as a schedule does."""
        return self._add(await self.jobs.add({**self._data, **more}, attempts=1))

    def _add(self, job_id: str) -> str:
        self.asked.append(job_id)
        return job_id

    async def by_every_way(self, times: int) -> None:
        for number in range(times):
            await self.by_http()
            await self.by_command()
            await self.by_push(f"delivery-{number}")
            await self.by_job()
            await self.by_job(registered=True)
        for job_id in self.asked:
            await self.jobs.there(job_id)

    async def outcomes(self) -> list[dict[str, Any]]:
        """Of each request's job, and its sync's row has ended too."""
        return [await self.jobs.finished(job_id, timeout=120) for job_id in self.asked]

    async def facts(self, kind: str) -> list[dict[str, Any]]:
        return [
            json.loads(entry["data"])
            for entry in await events(self._redis)
            if entry["type"] == kind and entry["subject"] == "handbook"
        ]

    async def told(self, kind: str, count: int) -> list[dict[str, Any]]:
        """The facts of a kind, once there are ``count``."""

        async def there() -> Any:
            facts = await self.facts(kind)
            assert len(facts) == count, len(facts)
            return facts

        found: list[dict[str, Any]] = await eventually(there, timeout=60)
        return found


@pytest.fixture
def requests(ada: httpx.AsyncClient, redis: Redis, data: dict[str, Any], handbook: str) -> Requests:
    return Requests(ada, redis, data, handbook)


async def test_requests_by_every_way_become_one_run_and_one_behind_it(
    service: tuple[Service, GitRepository], gate: Gate, requests: Requests, database: str
) -> None:
    await requests.by_http()
    await gate.reached()
    await requests.by_every_way(4)
    repository = service[1]
    repository.write("docs/levers.md", "The blue lever opens the hatch.")
    commit = repository.commit()
    gate.open()
    outcomes = await requests.outcomes()
    assert [outcome["state"] for outcome in outcomes] == ["completed"] * 21
    assert {outcome["result"]["sha"] for outcome in outcomes[1:]} == {commit}
    completed = await requests.told(COMPLETED, 1 + 21)
    started = await requests.facts(STARTED)
    assert len(started) == 1 + 2, "the base's first sync, the one that was held, and one behind it"
    assert len({fact["syncId"] for fact in completed}) == 1 + 21, "each request has its own fact"
    assert "The blue lever opens the hatch." in [
        row["content"] for row in await chunks_of(database, "handbook")
    ]
    rows = await fetch(
        database,
        "SELECT status, result::jsonb ->> 'coveredBy' AS run FROM knowledge_syncs WHERE job_id = ANY($1)",
        requests.asked,
    )
    assert Counter(row["status"] for row in rows) == {"completed": 21}
    runs = {row["run"] for row in rows if row["run"]}
    assert runs == {started[-1]["syncId"]}
    assert sum(row["run"] is None for row in rows) == 2


async def test_a_full_or_confirmed_request_is_not_taken_for_a_plain_one(
    gate: Gate, requests: Requests, github: FakeGitHub
) -> None:
    await requests.by_http()
    await gate.reached()
    for _ in range(3):
        await requests.by_http()
        await requests.by_job()
    full = [await requests.by_command(mode="full"), await requests.by_job(mode="full")]
    confirmed = await requests.by_http(confirmRemoval=True)
    both = await requests.by_command(mode="full", confirmRemoval=True)
    raw = github.calls["raw"]
    gate.open()
    outcomes = dict(zip(requests.asked, await requests.outcomes(), strict=True))
    assert {outcome["state"] for outcome in outcomes.values()} == {"completed"}
    for job_id in (*full, both):
        assert outcomes[job_id]["result"]["type"] == "full"
    assert github.calls["raw"] > raw, "files were read although nothing had changed"
    assert outcomes[confirmed]["result"]["type"] in ("full", "skipped")
    assert len(await requests.facts(STARTED)) <= 2 + 4, "at most one run for each kind of request"


async def test_requests_for_a_base_whose_source_is_down_fail_together(
    gate: Gate, requests: Requests, github: FakeGitHub, ada: httpx.AsyncClient, handbook: str
) -> None:
    await requests.by_http()
    await gate.reached()
    for number in range(4):
        await requests.by_job()
        await requests.by_push(f"delivery-{number}")
    github.fault = lambda _: Answer(500, b"oops")
    gate.open()
    held, *outcomes = await requests.outcomes()
    assert held["state"] == "completed", "GitHub had answered it already"
    assert {outcome["state"] for outcome in outcomes} == {"failed"}
    assert all("HTTP 500" in outcome["reason"] for outcome in outcomes)
    rows = (await ada.get(f"{handbook}/syncs")).json()["data"]
    those = [row for row in rows if row["jobId"] in requests.asked[1:]]
    assert {row["state"] for row in those} == {"failed"}
    told = {fact["syncId"] for fact in await requests.facts(FAILED)}
    assert {row["id"] for row in those} <= told
    assert len(await requests.facts(STARTED)) - 2 <= 8, "not one for each attempt of each"
    assert (await ada.get(handbook)).json()["data"]["state"] == "failed"

    github.fault = None
    await asyncio.gather(requests.by_http(), requests.by_command())
    last = [await requests.jobs.finished(job_id) for job_id in requests.asked[-2:]]
    assert [outcome["state"] for outcome in last] == ["completed"] * 2


async def test_a_job_that_failed_with_another_one_runs_when_it_is_retried(
    gate: Gate, requests: Requests, github: FakeGitHub, redis: Redis
) -> None:
    """By hand, in Bull Board."""
    from bullmq import Job, Queue  # type: ignore[import-untyped]

    await requests.by_http()
    await gate.reached()
    jobs = [await requests.by_job(), await requests.by_job()]
    github.fault = lambda _: Answer(500, b"oops")
    gate.open()
    for job_id in jobs:
        assert (await requests.jobs.finished(job_id, timeout=120))["state"] == "failed"
    github.fault = None
    for job_id in jobs:
        job = await Job.fromId(Queue("kb-sync", {"connection": redis}), job_id)
        await job.retry("failed")
        assert (await requests.jobs.finished(job_id))["state"] == "completed"


async def test_a_request_for_a_new_definition_is_not_answered_by_a_run_of_the_old(
    gate: Gate, requests: Requests, ada: httpx.AsyncClient, handbook: str, database: str
) -> None:
    await requests.by_http()
    await gate.reached()
    await requests.by_http()
    changed = await ada.put(handbook, json={"include": ["docs/levers.md"]})
    assert changed.status_code == 200, changed.text
    gate.open()
    await requests.outcomes()

    async def follows() -> bool:
        return {row["path"] for row in await chunks_of(database, "handbook")} == {"docs/levers.md"}

    await eventually(follows, timeout=60)

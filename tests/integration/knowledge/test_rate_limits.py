"""A limit that a server names is respected: no request before, no attempt used up, and people see it."""

import time
from functools import partial

from redis.asyncio import Redis

from tests.integration.knowledge.conftest import Harness
from tests.integration.knowledge.test_fairness import working
from tests.support.github import Answer
from tests.support.knowledge import Jobs
from tests.support.wait import eventually


async def test_bases_wait_for_github_s_rate_limit_together(
    harness: Harness, redis: Redis, redis_url: str
) -> None:
    jobs, asked, renewed = Jobs(redis), list[float](), 0

    def limited(_: str) -> Answer | None:
        nonlocal renewed
        renewed = renewed or int(time.time()) + 8
        asked.append(time.time())
        used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(renewed)}
        return Answer(403, b"API rate limit exceeded", used_up) if time.time() < renewed else None

    async def shown(count: int) -> bool:
        rows = await harness.pool.fetch("SELECT status, error FROM knowledge_syncs")
        assert [row["status"] for row in rows] == ["queued"] * count
        return all((row["error"] or "").startswith("waits for GitHub's rate limit until ") for row in rows)

    harness.github.fault = limited
    added = []
    async with working(redis_url, harness.deps):
        for number, name in enumerate(("first", "second"), start=1):  # two at once would both ask
            source = harness.github.source("docs")
            added.append(await jobs.add({"knowledgeBaseId": name, "version": "latest", "source": source}))
            await eventually(partial(shown, number))
        outcomes = [await jobs.finished(job_id) for job_id in added]
    assert [outcome["state"] for outcome in outcomes] == ["completed", "completed"]
    early = [moment for moment in asked if moment < renewed]
    assert len(early) == 1, "the other base knows of it"
    assert {await redis.hget(f"bull:kb-sync:{job_id}", "atm") for job_id in added} == {"1"}
    errors = await harness.pool.fetch("SELECT error FROM knowledge_syncs WHERE error IS NOT NULL")
    assert errors == []


async def test_files_that_a_limit_held_back_are_read_when_it_is_over(
    harness: Harness, redis: Redis, redis_url: str
) -> None:
    """What could be read is available meanwhile; the rest is requested once the server's time has come."""
    jobs, asked = Jobs(redis), list[float]()

    def limited(target: str) -> Answer | None:
        if "/raw/" not in target:
            return None
        asked.append(time.monotonic())
        return Answer(429, b"", {"Retry-After": "2"}) if len(asked) == 2 else None

    data = {"knowledgeBaseId": "handbook", "version": "latest", "source": harness.github.source("docs")}
    harness.github.fault = limited
    async with working(redis_url, harness.deps):
        job_id = await jobs.add(data)

        async def partly() -> bool:
            row = await harness.pool.fetchrow("SELECT status, error FROM knowledge_syncs")
            assert row is not None
            return row["status"] == "queued" and "1 of 2 files" in row["error"]

        await eventually(partly)
        assert len({row[3] for row in await harness.content()}) >= 1
        assert (await jobs.finished(job_id))["state"] == "completed"
    assert asked[2] - asked[1] >= 2
    assert len(asked) == 3, "the file that was read is not read again"
    assert await harness.text_of("docs/start.md")
    assert await harness.text_of("docs/deep/levers.md")

"""Random histories, synced by a real process that is killed at random points, with every job added twice."""

import asyncio
import random
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.test_histories import change
from tests.support.github import FakeGitHub, GitRepository, serve_github
from tests.support.knowledge import Jobs, fetch, knowledge_service, state_of

pytestmark = pytest.mark.timeout(120)

ROWS = (
    "SELECT content, metadata::text AS metadata, embedding::text AS embedding FROM knowledge_embeddings "
    "WHERE knowledge_base_id = $1 ORDER BY 2, 1"
)
COMMITS = 3
PAGES = 60


@pytest.mark.parametrize("seed", [31])
async def test_a_process_killed_at_any_point_leaves_one_state_or_the_other(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")  # shown when it fails; when exactly the kill comes is the machine's own chance
    repository = GitRepository(tmp_path / "repository")
    for i in range(PAGES):
        repository.write(f"docs/pages/{i}.md", f"Page {i}. " * 200)
    repository.commit()
    jobs = Jobs(redis)

    async def rows(base_id: str) -> list[tuple[str, ...]]:
        return [tuple(row) for row in await fetch(database, ROWS, base_id)]

    async with serve_github(repository) as github:
        environment = {
            "GITHUB_API_URL": github.api_url,
            "GITHUB_RAW_URL": github.raw_url,
            "SYNC_LOCK_SECONDS": "1",
            "LEASE_TTL_SECONDS": "1",
        }
        before: list[tuple[str, ...]] = []
        for step in range(COMMITS):
            for _ in range(chance.randint(1, 4)):
                change(repository, chance)
            for i in chance.sample(range(PAGES), 15):
                repository.write(f"docs/pages/{i}.md", f"Page {i}, edition {step}. " * 200)
            repository.commit()
            async with knowledge_service(
                database, redis_url, tmp_path / f"killed-{step}", **environment
            ) as killed:
                for _ in range(2):
                    await jobs.add(_data(github, "handbook"))
                await asyncio.sleep(chance.uniform(0, 0.5))  # the random point itself
                await killed.kill()
            found = await rows("handbook")
            async with knowledge_service(database, redis_url, tmp_path / f"whole-{step}", **environment):
                ids = [
                    await jobs.add(_data(github, base)) for base in ("handbook", "handbook", f"fresh-{step}")
                ]
                outcomes = [await jobs.finished(job_id, timeout=40) for job_id in ids]
            assert [outcome["state"] for outcome in outcomes] == ["completed"] * 3
            after = await rows("handbook")
            assert found in (before, after), f"step {step}: neither the old state nor the new one"
            assert after == await rows(f"fresh-{step}"), f"step {step}"
            assert await state_of(database, "handbook") == await state_of(database, f"fresh-{step}")
            before = after


def _data(github: FakeGitHub, base_id: str) -> dict[str, str]:
    return {"knowledgeBaseId": base_id, "version": "latest", "source": github.source("docs")}

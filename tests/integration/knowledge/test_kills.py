"""Random histories, synced by a real process that is killed at random points, with every job added twice."""

import asyncio
import random
import tempfile
from pathlib import Path

import pytest
from redis.asyncio import Redis

from knowledge.sources.work_folder import WorkFolder
from tests.integration.knowledge.histories import change
from tests.support.github import Answer, FakeGitHub, GitRepository, serve_github
from tests.support.knowledge import Jobs, fetch, knowledge_service, state_of
from tests.support.wait import eventually
from tests.support.web import Request, git_backend, serve

pytestmark = [pytest.mark.large, pytest.mark.timeout(120)]

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


async def test_what_a_killed_process_had_fetched_goes_when_the_next_one_starts(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GitRepository(tmp_path / "served" / "handbook")
    repository.write("docs/a.md", "Pull the red lever.")
    repository.commit()
    backend, answering = git_backend(tmp_path / "served"), asyncio.Event()

    async def remote(request: Request) -> Answer:
        if request.method == "POST":
            await answering.wait()
        return await backend(request)

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(temporary))
        another = WorkFolder.create("git")  # of a process that lives: this one
    async with serve(remote) as server:
        environment = {
            "TMPDIR": str(temporary),
            "SOURCE_ALLOWED_HOSTS": "127.0.0.1",
            "SYNC_LOCK_SECONDS": "1",
            "LEASE_TTL_SECONDS": "1",
        }
        data = {
            "knowledgeBaseId": "handbook",
            "version": "latest",
            "source": f"git+{server.url}/handbook#main",
        }
        jobs = Jobs(redis)
        async with knowledge_service(database, redis_url, tmp_path / "killed", **environment) as killed:
            job_id = await jobs.add(data)
            await eventually(lambda: any(request.method == "POST" for request in server.requests))
            await killed.kill()
        [left] = [path for path in temporary.iterdir() if path != another.path]
        assert list(left.iterdir())
        answering.set()
        async with knowledge_service(database, redis_url, tmp_path / "next", **environment):
            await eventually(lambda: not left.exists())
            assert (await jobs.finished(job_id))["state"] == "completed"
            assert list(temporary.iterdir()) == [another.path]
    another.remove()


def _data(github: FakeGitHub, base_id: str) -> dict[str, str]:
    return {"knowledgeBaseId": base_id, "version": "latest", "source": github.source("docs")}

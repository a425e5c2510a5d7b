from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.registry.asking import BASES, SECRET, newest_sync, wanted
from tests.support.github import FakeGitHub, GitRepository, serve_github
from tests.support.knowledge import knowledge_service
from tests.support.services import Service


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[FakeGitHub]:
    """A GitHub with two pages in ``acme/handbook``."""
    repository = GitRepository(tmp_path / "repository")
    repository.write("docs/levers.md", "# Levers\n\nPull the red lever to stop the machine.")
    repository.write("docs/buttons.md", "# Buttons\n\nThe green button starts the machine.")
    repository.commit()
    async with serve_github(repository) as github:
        yield github


@pytest.fixture
async def service(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, github: FakeGitHub
) -> AsyncIterator[tuple[Service, GitRepository]]:
    """A service over ``acme/handbook`` of a GitHub, that also declares its own base."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.md").write_text("Ours.")
    (tmp_path / "bases.yaml").write_text("knowledgeBases: [{id: guide, source: own}]")
    environment = {
        "KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml"),
        "LOCAL_SOURCES_ROOT": str(tmp_path / "shared"),
        "GITHUB_API_URL": github.api_url,
        "GITHUB_RAW_URL": github.raw_url,
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "SCHEDULES_CHECK_SECONDS": "600",
    }
    async with knowledge_service(database, redis_url, tmp_path / "service", **environment) as running:
        yield running, github.repository


@pytest.fixture
async def ada(service: tuple[Service, GitRepository]) -> AsyncIterator[httpx.AsyncClient]:
    running, _ = service
    async with running.client("ada") as client:
        yield client


@pytest.fixture
async def bob(service: tuple[Service, GitRepository]) -> AsyncIterator[httpx.AsyncClient]:
    running, _ = service
    async with running.client("bob") as client:
        yield client


@pytest.fixture
async def handbook(ada: httpx.AsyncClient) -> str:
    """The path of a base that Ada created, once it is synced."""
    made = await ada.post(BASES, json=wanted(extensions=["md"], refreshSchedule="0 * * * *"))
    assert made.status_code == 201, made.text
    await newest_sync(ada)
    return f"{BASES}/handbook"

"""The service as a process, with one base that its settings declare."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.knowledge import Jobs, knowledge_service
from tests.support.services import Service


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with two pages, and the settings file that declares it as ``guide``."""
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "levers.md").write_text("# Levers\n\nPull the red lever to stop the machine.")
    (folder / "deep" / "buttons.md").write_text("# Buttons\n\nThe green button starts the machine. " * 40)
    (tmp_path / "bases.yaml").write_text(
        "knowledgeBases:\n- {id: guide, name: Guide, description: How to, source: docs, "
        "refreshSchedule: 0 * * * *}\n"
    )
    return folder


@pytest.fixture
async def service(
    database: str, redis: Redis, redis_url: str, docs: Path, tmp_path: Path
) -> AsyncIterator[Service]:
    environment = {
        "KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml"),
        "LOCAL_SOURCES_ROOT": str(tmp_path),
    }
    async with knowledge_service(database, redis_url, tmp_path / "service", **environment) as service:
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client() as client:
        yield client


@pytest.fixture
def jobs(redis: Redis) -> Jobs:
    return Jobs(redis)

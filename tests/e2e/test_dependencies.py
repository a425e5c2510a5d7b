"""Services that start before their dependencies: they say what is missing, and begin when it is there."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest

from chat import app as chat
from cockpit import app as cockpit
from knowledge import app as knowledge
from takaro_schema.run import migrate
from takaro_schema.scripts import load
from tests.e2e.conftest import NAMES, Request
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.services import Service
from tests.support.wait import eventually

#: The last revision below which each service can't work, and one that no service can work with.
SERVICES = {"chat": chat, "knowledge": knowledge, "cockpit": cockpit}
NEEDED = {name: module.REQUIRED_REVISION for name, module in SERVICES.items()}
OLD = "013"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres", free_port())
    yield server
    server.stop()


@pytest.fixture
def redis_of_its_own(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", free_port())
    yield server
    server.stop()


@pytest.fixture
async def launched(
    postgres: PostgresServer, redis_of_its_own: RedisServer, tmp_path: Path
) -> AsyncIterator[list[Service]]:
    """The three services, launched while none of their dependencies is running."""
    services = [
        Service(name, database_url=postgres.url, redis_url=redis_of_its_own.url, folder=tmp_path / name)
        for name in NAMES
    ]
    for service in services:
        service.launch()
    yield services
    await asyncio.gather(*(service.stop() for service in services))


async def test_services_start_without_anything_and_become_ready_as_it_comes(
    launched: list[Service], postgres: PostgresServer, redis_of_its_own: RedisServer
) -> None:
    for service in launched:
        checks = await _not_ready(service, "database", "redis")
        assert "Connect" in checks["database"] or "refused" in checks["database"]
        assert "refused" in checks["redis"]
        await _answers_503_and_logs_the_trace(service)

    redis_of_its_own.start()
    postgres.start()
    for service in launched:
        await eventually(partial(_says, service, "database", "not migrated"))

    migrate(postgres.url, chain=load().until(OLD))
    for service in launched:
        said = f"the schema is at revision {OLD}, {service.name} needs at least {NEEDED[service.name]}"
        await eventually(partial(_says, service, "database", said))

    migrate(postgres.url)
    await _all_ready(launched)

    redis_of_its_own.kill()
    for service in launched:
        assert "redis" in await _not_ready(service, "redis")
    redis_of_its_own.start()
    await _all_ready(launched)

    postgres.kill()
    for service in launched:
        await _not_ready(service, "database")
    postgres.start()
    await _all_ready(launched)
    assert all(service.exit_code is None for service in launched)


async def _checks(service: Service) -> tuple[int, dict[str, str]]:
    async with service.client() as client:
        try:
            answer = await client.get("/ready")
        except httpx.TransportError as error:
            raise AssertionError(f"{service.name}: {error!r}") from error
    return answer.status_code, answer.json()["checks"]


async def _not_ready(service: Service, *missing: str) -> dict[str, str]:
    """The checks, once ``/ready`` is a 503 and each of ``missing`` isn't fine."""

    async def look() -> dict[str, str]:
        status, checks = await _checks(service)
        assert status == 503, checks
        assert all(checks[name] != "ok" and not checks[name].startswith("revision") for name in missing), (
            checks
        )
        return checks

    return await eventually(look)


async def _says(service: Service, check: str, text: str) -> bool:
    status, checks = await _checks(service)
    assert status == 503
    assert text in checks[check], checks
    return True


async def _all_ready(services: Sequence[Service]) -> None:
    await asyncio.gather(*(eventually(partial(_ready, service)) for service in services))


async def _ready(service: Service) -> bool:
    status, checks = await _checks(service)
    assert status == 200, checks
    return True


async def _answers_503_and_logs_the_trace(service: Service) -> None:
    """Even if no spans are exported, a request's log lines carry its trace id."""
    request = Request()
    path = {
        "chat": "/api/conversations",
        "knowledge": "/api/knowledge-bases",
        "cockpit": "/api/cockpit/sessions/7f8dd8ac-68a9-4a38-8a27-3d2d42ad1ee2",
    }[service.name]
    async with service.client() as client:
        answer = await client.get(path, headers=request.headers)
    assert answer.status_code == 503
    assert "try again" in answer.json()["error"]
    [line] = [line for line in service.logs() if line.get("trace_id") == request.trace_id]
    assert (line["level"], line["service"]) == ("warning", service.name)

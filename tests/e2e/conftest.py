"""The three services as processes, on one database and one Redis, with a collector that keeps their spans."""

import asyncio
import json
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from takaro_agent_client import AsyncClient, Client, Retrying
from takaro_local.collector import Collector
from takaro_local.spans import SpanStore
from tests.conftest import _database as make_database
from tests.e2e.asking import Asks, Concurrent, Make, Waiting
from tests.support.plain_http import NO_TLS
from tests.support.servers import PostgresServer, free_port
from tests.support.services import Service, ServiceName, running
from tests.support.wait import eventually

NAMES: tuple[ServiceName, ...] = ("chat", "knowledge", "cockpit")
BASE = "handbook"
USER = "ada"
INSTALLED = "installed"
"""The user of takaro-agent-client."""
HANDBOOK = {
    "welcome.md": "# Welcoming players\n\nGreet a player who joins with a message in the global chat.\n",
    "moderation/bans.md": "# Banning\n\nBan a player for cheating; say why, and for how long it lasts.\n",
}
Span = dict[str, Any]


@dataclass(slots=True, frozen=True)
class Request:
    """Ids that a request carries as its ``traceparent``."""

    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"

    @property
    def headers(self) -> dict[str, str]:
        return {"traceparent": self.traceparent}


@dataclass(slots=True)
class System:
    """The running services, and where their spans go."""

    services: dict[ServiceName, Service]
    database: str
    redis_url: str
    collector: Collector
    handbook: Path
    """The folder that :data:`BASE` is read from."""

    def __getitem__(self, name: ServiceName) -> Service:
        return self.services[name]

    @property
    def spans(self) -> SpanStore:
        return self.collector.store

    async def trace(self, request: Request, *names: str) -> list[Span]:
        """The spans of a request, once all ``names`` are among them and no parent is missing."""

        def whole() -> list[Span]:
            spans = self.spans.trace(request.trace_id)
            found = {f"{span['service']}: {span['name']}" for span in spans}
            assert set(names) <= found, sorted(set(names) - found)
            known = {request.span_id, *(span["spanId"] for span in spans)}
            orphans = [span["name"] for span in spans if span["parentSpanId"] not in known]
            assert not orphans, orphans
            return spans

        return await eventually(whole)


@pytest.fixture(scope="package")
def package_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    yield from make_database(postgres_server, template_database)


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    server = Collector(free_port(), SpanStore())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def system(
    package_database: str, redis_url: str, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """All three services, ready; one base that was never synced."""
    folder = tmp_path_factory.mktemp("system")
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "LEASE_TTL_SECONDS": "1.5",
        "KNOWLEDGE_BASES_FILE": str(write_handbook(folder)),
        "SYNC_AT_START": "false",
        "GITHUB_WEBHOOK_SECRET": "the-secret-of-our-hook",
    }
    async with AsyncExitStack() as stack:
        services = [
            stack.enter_async_context(
                running(
                    name,
                    database_url=package_database,
                    redis_url=redis_url,
                    folder=folder,
                    environment=environment,
                    anew=True,
                )
            )
            for name in NAMES
        ]
        started = dict(zip(NAMES, await asyncio.gather(*services), strict=True))
        yield System(started, package_database, redis_url, collector, folder / "handbook")


@pytest.fixture(params=["sync", "async"])
async def make(system: System, request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes clients of the system, with chat at another address if one is given."""
    waiting, concurrent = (
        httpx.Client(trust_env=False, verify=NO_TLS),
        httpx.AsyncClient(trust_env=False, verify=NO_TLS),
    )
    addresses = {name: system[name].url for name in ("knowledge", "cockpit")}
    quick = Retrying(first_seconds=0.01)

    def made(chat: str) -> Asks:
        settings: dict[str, Any] = {**addresses, "chat": chat, "user": INSTALLED, "retrying": quick}
        if request.param == "sync":
            return Waiting(Client(http=waiting, **settings))
        return Concurrent(AsyncClient(http=concurrent, **settings))

    yield made
    await asyncio.to_thread(waiting.close)
    await concurrent.aclose()


@pytest.fixture
def client(make: Make, system: System) -> Asks:
    return make(system["chat"].url)


@pytest.fixture
async def client_for(system: System) -> AsyncIterator[Callable[[str], AsyncClient]]:
    """Makes the client of a user. Every answer is compared with the services' documents."""
    hooks = {"response": [system[name].check for name in NAMES]}
    async with httpx.AsyncClient(trust_env=False, timeout=60, event_hooks=hooks) as http:
        chat, knowledge, cockpit = (system[name].url for name in NAMES)
        yield lambda user: AsyncClient(http=http, user=user, chat=chat, knowledge=knowledge, cockpit=cockpit)


@pytest.fixture
def ada(client_for: Callable[[str], AsyncClient]) -> AsyncClient:
    """The client of :data:`USER`."""
    return client_for(USER)


@pytest.fixture
async def bus(system: System) -> AsyncIterator[Redis]:
    """A client of the event bus, str in and out."""
    async with Redis.from_url(system.redis_url, decode_responses=True) as client:
        yield client


def write_handbook(folder: Path) -> Path:
    """Write the handbook, and a settings file of knowledge bases that names it. Returns that file."""
    for name, text in HANDBOOK.items():
        file = folder / "handbook" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    bases = folder / "knowledge-bases.json"
    bases.write_text(json.dumps({"knowledgeBases": [{"id": BASE, "source": "handbook"}]}))
    return bases

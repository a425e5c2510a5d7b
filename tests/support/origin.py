"""The reverse proxy of the local stack, in front of any servers."""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from takaro_local import origin, process
from takaro_local.settings import LocalSettings
from tests.support.plain_http import NO_TLS
from tests.support.servers import free_port
from tests.support.wait import eventually


@dataclass(slots=True, frozen=True)
class Origin:
    """A running proxy; ``log_file`` has its output."""

    url: str
    port: int
    child: process.Child
    log_file: Path

    def listens_on(self) -> set[tuple[str, int]]:
        """The addresses and ports that it accepts connections at."""
        found = psutil.Process(self.child.pid).net_connections("inet")
        return {
            (str(each.laddr[0]), int(each.laddr[1])) for each in found if each.status == psutil.CONN_LISTEN
        }

    def client(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=60, verify=NO_TLS
        )


@asynccontextmanager
async def running_origin(folder: Path, services: Mapping[str, str], **settings: str) -> AsyncIterator[Origin]:
    """The proxy as the local stack starts it, in front of the services at these addresses (by name).

    ``settings`` are those of the stack, and ``ORIGIN_TRUSTED_PROXIES``.
    """
    port = free_port()
    ports = {f"{name.upper()}_PORT": str(urlsplit(url).port) for name, url in services.items()}
    surroundings = {"TAKARO_DATA_DIR": str(folder), "ORIGIN_PORT": str(port), **ports, **settings}
    program = origin.program(LocalSettings.read(surroundings), surroundings)
    log_file = folder / f"origin-{port}.log"
    with log_file.open("wb") as output:
        child = process.spawn(
            program.command,
            output=output,
            death_signal=signal.SIGTERM,
            environment=program.environment,
        )
    try:
        async with httpx.AsyncClient(base_url=program.url, trust_env=False, verify=NO_TLS) as client:

            async def answers() -> bool:
                if child.poll() is not None:
                    raise RuntimeError(f"the proxy ended with {child.poll()}: {log_file.read_text()}")
                try:
                    return (await client.get("/health")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(answers)
        yield Origin(program.url, port, child, log_file)
    finally:
        process.end(child.pid, [(signal.SIGTERM, 20)])
        child.wait()

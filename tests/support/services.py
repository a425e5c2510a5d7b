"""A real service process that a test starts, calls, stops and kills.

It is a fork that has everything imported (:mod:`tests.support.forks`). Tests in tests/e2e and of the local
stack start a new ``python -m chat``, as users do.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from takaro_local import process
from tests.support.declared import Declared
from tests.support.forks import Child, Fork
from tests.support.plain_http import NO_TLS
from tests.support.servers import free_port
from tests.support.wait import eventually

ServiceName = Literal["chat", "knowledge", "cockpit"]
# : What a service inherits from the environment; the test sets everything else.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Service:
    """One service on its own port; ``url`` is its address, ``log_file`` its output."""

    def __init__(
        self,
        name: ServiceName,
        *,
        database_url: str,
        redis_url: str,
        folder: Path,
        instance: str | None = None,
        environment: Mapping[str, str] | None = None,
        anew: bool = False,
    ) -> None:
        """``folder`` takes the log; ``environment`` overrides our settings (dev auth, hashing embeddings).

        ``anew`` starts an interpreter that has imported nothing yet.
        """
        self.name = name
        self.module: str = name
        self.arguments: Sequence[str] = ()
        self.anew = anew
        self.instance = instance or f"{name}-1"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.log_file = folder / f"{self.instance}-{self.port}.log"
        self.environment = {
            **{key: os.environ[key] for key in _KEPT if key in os.environ},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "AUTH_MODE": "dev",
            "EMBEDDINGS_PROVIDER": "hashing",
            "INSTANCE_NAME": self.instance,
            f"{name.upper()}_PORT": str(self.port),
            **(environment or {}),
        }
        self._child: Child | None = None
        self._declared = Declared(self.url, (name, self.environment["AUTH_MODE"]))

    @property
    def pid(self) -> int:
        """The process id; the service must have been launched."""
        assert self._child is not None, f"{self.instance} was not launched"
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._child is None else self._child.poll()

    async def start(self, *, timeout: float = 30) -> Self:
        """Launch it and wait until ``/ready`` says 200."""
        self.launch()
        async with httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False, verify=NO_TLS) as client:
            await eventually(lambda: self._is_ready(client), timeout=timeout)
        return self

    async def start_unready(self, *, timeout: float = 60) -> Self:
        """Launch it and wait until ``/health`` answers, whatever ``/ready`` says."""
        self.launch()
        async with httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False, verify=NO_TLS) as client:
            await eventually(lambda: self._answers(client), timeout=timeout)
        return self

    def launch(self) -> None:
        """Start the process and don't wait; its folder is its working directory (no ``.env`` of ours)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.anew:
            with self.log_file.open("ab") as log:
                self._child = process.spawn(
                    [sys.executable, "-m", self.module, *self.arguments],
                    output=log,
                    death_signal=signal.SIGKILL,
                    cwd=self.folder,
                    environment=self.environment,
                )
        else:
            self.log_file.touch()
            self._child = Fork(
                self.module,
                self.arguments,
                environment=self.environment,
                cwd=self.folder,
                files=(Path(os.devnull), self.log_file, self.log_file),
            )

    async def stop(self, *, patience: float = 15.0) -> int:
        """SIGTERM, SIGKILL after ``patience`` seconds; the exit code (negative: the signal that ended it)."""
        return await asyncio.to_thread(self._end, ((signal.SIGTERM, patience),))

    async def kill(self) -> int:
        """SIGKILL it and its processes, as a crash would."""
        return await asyncio.to_thread(self._end, ())

    async def restart(self) -> Self:
        """Stop it, unless it ended before, and start it on the same port."""
        await self.stop()
        return await self.start()

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and leases and does nothing."""
        process.signal_family(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after ``pause``."""
        process.signal_family(self.pid, signal.SIGCONT)

    def logs(self) -> list[dict[str, Any]]:
        """The JSON lines it logged; a line that isn't JSON comes as ``{"event": line}``."""
        return [_parsed(line) for line in self.log_file.read_text().splitlines()]

    async def check(self, response: httpx.Response) -> None:
        """Fails for an answer of the service that its OpenAPI document doesn't declare."""
        await self._declared.check(response)

    def client(self, user: str = "user-1", *, timeout: float = 10) -> httpx.AsyncClient:
        """An HTTP client of the service whose caller is ``user``; close it (``async with``)."""
        headers = {"X-User-Id": user}
        return httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=timeout,
            trust_env=False,
            event_hooks={"response": [self.check]},
            verify=NO_TLS,
        )

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        if self.exit_code is not None:
            raise RuntimeError(f"{self.instance} ended with {self.exit_code}:\n{self._log_tail()}")
        try:
            answer = await client.get("/ready")
        except httpx.TransportError as error:
            raise AssertionError(f"{error!r}; its log ends:\n{self._log_tail()}") from error
        assert answer.status_code == 200, f"{answer.text}; its log ends:\n{self._log_tail()}"
        return True

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get("/health")).is_success
        except httpx.TransportError:
            return False

    def _end(self, signals: tuple[tuple[signal.Signals, float], ...]) -> int:
        assert self._child is not None, f"{self.instance} was not launched"
        if self._child.poll() is None:
            process.signal_family(self._child.pid, signal.SIGCONT)
            process.end(self._child.pid, signals)
        return self._child.wait()

    def _log_tail(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-20:])


@asynccontextmanager
async def running(
    name: ServiceName,
    *,
    database_url: str,
    redis_url: str,
    folder: Path,
    instance: str | None = None,
    environment: Mapping[str, str] | None = None,
    anew: bool = False,
) -> AsyncIterator[Service]:
    """A started, ready service, stopped at the end (or killed, if it doesn't stop)."""
    service = Service(
        name,
        database_url=database_url,
        redis_url=redis_url,
        folder=folder,
        instance=instance,
        environment=environment,
        anew=anew,
    )
    try:
        yield await service.start()
    finally:
        await service.stop()


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return {"event": line}
    return parsed if isinstance(parsed, dict) else {"event": line}

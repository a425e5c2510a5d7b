"""Keep a program of the stack running: restart it when it dies, and show its output line by line."""

import asyncio
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from takaro_local import process
from takaro_local.console import Screen
from takaro_local.data_dir import Children

REFUSED = 2
"""Exit status of a program whose settings are wrong: it said why, and would say the same again."""

_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 10.0
#: After a program has run this long, its next restart begins with the first back-off again.
_STEADY_SECONDS = 30.0


def python_module(name: str) -> Sequence[str]:
    """The command line that runs a module of ours."""
    return [sys.executable, "-m", name]


class RefusedError(Exception):
    """A program doesn't start with these settings. It has said why."""


@dataclass(slots=True)
class Program:
    """A program that runs in its own process and answers HTTP."""

    name: str
    command: Sequence[str]
    port: int
    environment: Mapping[str, str]
    ready_path: str = "/ready"
    #: The last answer of its readiness check while it wasn't ready.
    last_answer: str = field(default="", init=False)
    child: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The URL where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def keep_running(self, screen: Screen, children: Children) -> None:
        """Start it, show its output, and restart it with a back-off when it ends, until cancelled.

        Raises RefusedError if its settings are wrong.
        """
        backoff = _FIRST_BACKOFF
        while True:
            started = time.monotonic()
            code = await self._run(screen, children)
            if code == REFUSED:
                raise RefusedError(f"{self.name} doesn't start with these settings, so the stack ends")
            if time.monotonic() - started > _STEADY_SECONDS:
                backoff = _FIRST_BACKOFF
            screen.say(f"{self.name} {ending(code)}; starting it again in {backoff:g} s", "bold yellow")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def until_ready(self) -> None:
        """Wait until its readiness path answers 200."""
        async with httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False) as client:
            while True:
                try:
                    answer = await client.get(self.ready_path)
                except httpx.TransportError as error:
                    self.last_answer = f"no answer ({type(error).__name__})"
                else:
                    if answer.status_code == 200:
                        return
                    self.last_answer = answer.text
                await asyncio.sleep(0.05)

    async def stop(self, grace_seconds: float) -> None:
        """Send SIGTERM, wait up to ``grace_seconds``, then kill it and its processes."""
        if self.child is None or self.child.returncode is not None:
            return
        await asyncio.to_thread(process.end, self.child.pid, [(signal.SIGTERM, grace_seconds)])
        await self.child.wait()

    def kill(self) -> None:
        """Send SIGKILL to it and its processes."""
        if self.child is not None and self.child.returncode is None:
            process.end(self.child.pid, ())

    async def _run(self, screen: Screen, children: Children) -> int:
        self.child = await asyncio.create_subprocess_exec(
            *process.guarded(self.command, death_signal=signal.SIGTERM),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(self.environment),
            start_new_session=True,
        )
        children.add(self.child.pid)
        reading = asyncio.create_task(self._show(self.child, screen))
        try:
            return await self.child.wait()
        finally:
            # Don't wait for a descendant that outlives the program and holds its output open.
            if self.child.returncode is not None:
                await asyncio.wait({reading}, timeout=1)
                reading.cancel()
            children.remove(self.child.pid)

    async def _show(self, child: asyncio.subprocess.Process, screen: Screen) -> None:
        assert child.stdout is not None
        rest = b""
        while block := await child.stdout.read(65536):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                screen.log(self.name, line.decode(errors="replace"))
        if rest:
            screen.log(self.name, rest.decode(errors="replace"))


def ending(code: int) -> str:
    """Describe how a process ended, from its exit code."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

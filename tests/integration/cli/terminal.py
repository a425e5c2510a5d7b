"""``takaro`` as operators run it: a process, with its output, its messages and its exit status."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.support.forks import Fork

_COMMAND = (sys.executable, "-c", "from takaro_operator import app; app()")


@dataclass(slots=True, frozen=True)
class Result:
    """What a command printed. ``out`` is its result, ``err`` its messages and errors."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document it printed."""
        return orjson.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON lines it printed."""
        return [orjson.loads(line) for line in self.out.splitlines()]


class Terminal:
    """Runs commands with ``settings`` as their only settings of ours."""

    def __init__(self, settings: Mapping[str, str], folder: Path | None = None) -> None:
        """``folder`` is where commands run."""
        self._folder = folder or Path.cwd()
        ours = ("DATABASE_URL", "REDIS_URL", "EVENT_BUS_URL", "OTEL_", "OTLP_", "TAKARO_", "AUTH_", "JWT_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._environment = {**inherited, **settings}

    def with_settings(self, **settings: str) -> "Terminal":
        return Terminal({**self._environment, **settings}, self._folder)

    def in_folder(self, folder: Path) -> "Terminal":
        return Terminal(self._environment, folder)

    async def __call__(self, *arguments: str, stdin: str = "", expect: int = 0) -> Result:
        """Run to the end; fails when the exit status isn't the expected one."""
        result = await asyncio.to_thread(self._run, arguments, stdin)
        assert result.status == expect, f"status {result.status}: {result.out}\n{result.err}"
        return result

    @asynccontextmanager
    async def following(self, *arguments: str) -> AsyncIterator["Following"]:
        """Run in the background. At the end it is interrupted as by Ctrl-C, which isn't a failure."""
        process = await self._start(arguments)
        following = Following(process)
        try:
            yield following
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 10) == 0
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    def _run(self, arguments: tuple[str, ...], stdin: str) -> Result:
        with tempfile.TemporaryDirectory(prefix="takaro-cli-") as folder:
            files = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
            for file in files:
                file.write_text(stdin if file.name == "stdin" else "")
            fork = Fork("takaro", arguments, environment=self._environment, cwd=self._folder, files=files)
            return Result(fork.wait(60), files[1].read_text(), files[2].read_text())

    async def _start(self, arguments: tuple[str, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *_COMMAND,
            *arguments,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


class Following:
    """A command that runs on."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, timeout: float = 15) -> str:
        """The next line of its output."""
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), timeout)).decode()

    async def remark(self, timeout: float = 15) -> str:
        """The next line of its error stream."""
        assert self._process.stderr is not None
        return (await asyncio.wait_for(self._process.stderr.readline(), timeout)).decode()

"""Programs of examples/ that run until they are ended, as their readers run them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.conftest import System
from tests.support.node import find_node, install_packages
from tests.support.wait import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


class Program:
    """A running program, and the lines that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def says(self, text: str) -> None:
        """Wait until it has printed this."""

        def look() -> bool:
            assert self._process.returncode is None, self.lines
            assert any(text in line for line in self.lines), self.lines
            return True

        await eventually(look)

    async def end(self, how: signal.Signals) -> int:
        """Returns its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(how)
        code = await self._process.wait()
        await self._reading
        return code

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip())


@asynccontextmanager
async def running(system: System, *command: str, **settings: str) -> AsyncIterator[Program]:
    """The program, killed at the end."""
    ours = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
    addresses = {"CHAT_URL": system["chat"].url, "KNOWLEDGE_URL": system["knowledge"].url}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**ours, **addresses, "EVENT_BUS_URL": system.redis_url, "PYTHONWARNINGS": "error", **settings},
    )
    program = Program(process)
    try:
        yield program
    finally:
        await program.end(signal.SIGKILL)


def python(name: str) -> list[str]:
    """The command that runs a Python program of examples/."""
    return [sys.executable, str(EXAMPLES / name)]


def node(name: str, folder: Path) -> list[str]:
    """The command that runs a Node program of examples/, beside the packages of the interop tests."""
    copy = folder / Path(name).name
    copy.write_text((EXAMPLES / name).read_text())
    packages = folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(install_packages() / "node_modules")
    found, _ = find_node()
    return [found, str(copy)]

"""One reader's process, seen from the service."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

from common import codec
from common.errors import TransientError
from knowledge.readers.limits import ReaderLimits
from knowledge.readers.program import ANSWER, READY, REQUEST

_MODULE = "knowledge.readers.program"
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
"""What of the environment it gets: no credentials."""

START_SECONDS = 60.0
END_SECONDS = 10.0
_BUFFER_BYTES = 1 << 20


class ReaderEnded(Exception):
    """The process ended, or said what it never says. ``code`` is its exit code, negative for a signal."""

    def __init__(self, code: int | None) -> None:
        super().__init__(
            f"its reader ended with {code}" if code is not None else "its reader did not answer in time"
        )
        self.code = code


class AnswerTooLarge(Exception):
    """A file's answer is larger than it may be."""


class ReaderProcess:
    """Takes one request at a time, once it is ready. ``files`` counts those that it has answered."""

    def __init__(self, limits: ReaderLimits) -> None:
        """Start it. From the event loop's thread: it ends with the thread that started it."""
        self._socket, its = socket.socketpair()
        arguments = [str(os.getpid()), str(limits.memory_bytes), str(limits.cpu_seconds)]
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", _MODULE, *arguments],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,  # Ctrl-C is the service's alone
            )
        self._writer: asyncio.StreamWriter | None = None
        self.files = 0

    async def ready(self) -> None:
        """Wait until it is. Raises ``TransientError`` when it doesn't become ready: that is no file's
        fault."""
        self._reader, self._writer = await asyncio.open_unix_connection(
            sock=self._socket, limit=_BUFFER_BYTES
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._reader.readexactly(len(READY))
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
            self._process.kill()
            code = await self.wait()
            raise TransientError(f"a process that reads files did not start ({code})") from error

    def cpu_seconds(self) -> float:
        """What it has used so far, of CPU; by the clock where the system doesn't tell, and once it has
        ended."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_bytes()  # proc(5): 14 and 15 are its CPU
            user, system = stat.rpartition(b")")[2].split()[11:13]
        except OSError:
            return time.monotonic()
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    async def ask(self, request: bytes, content: bytes, answer_bytes: int) -> dict[str, Any]:
        """What the process answers; up to ``answer_bytes``. Raises :class:`ReaderEnded` and
        :class:`AnswerTooLarge`. Whatever it raises, the process is of no use any more."""
        if self._writer is None:
            raise RuntimeError("the process is not ready")
        try:
            self._writer.write(REQUEST.pack(len(request), len(content)) + request)
            self._writer.write(content)
            await self._writer.drain()
            (size,) = ANSWER.unpack(await self._reader.readexactly(ANSWER.size))
            if size > answer_bytes:
                raise AnswerTooLarge
            answer = codec.loads(await self._reader.readexactly(size))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise ReaderEnded(await self.wait()) from error
        except ValueError as error:
            raise ReaderEnded(None) from error
        self.files += 1
        return cast("dict[str, Any]", answer)

    def kill(self) -> None:
        """End it at once, whatever it does; whoever waits for its answer gets :class:`ReaderEnded`."""
        self._process.kill()
        if self._writer is None:
            self._socket.close()
        else:
            self._writer.close()

    async def wait(self) -> int | None:
        """Its exit code, once it has ended; ``None`` when it doesn't."""
        try:
            return await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            return None

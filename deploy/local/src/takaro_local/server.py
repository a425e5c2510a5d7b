"""The common part of the two embedded servers: a process on a port, with a data folder and a log file."""

import importlib.util
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from takaro_local import process

HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
#: A log longer than this starts again with the server.
_LOG_BYTES = 10_000_000


class ServerError(Exception):
    """A server did not start. The message contains the end of its log."""


def package_folder(package: str) -> Path:
    """The folder of an installed package, without importing it: we need its binaries, not its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerError(f"the package {package} is not installed")
    return Path(spec.origin).parent


class Server(ABC):
    """A server that runs as our direct child on 127.0.0.1 and ends with us.

    ``start`` is ``prepare`` (may take seconds, any thread), ``launch`` (at once, main thread) and
    ``wait_ready``. After ``stop`` or ``kill`` it can be started again on the same port and data.
    """

    name: ClassVar[str]
    #: Signals that ask the server to end, the cleanest first, each with the seconds to wait.
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, data_dir: Path, port: int, options: Mapping[str, str] | None = None) -> None:
        """``data_dir`` is created if needed. ``options`` are settings of the server and override ours."""
        self.data_dir = data_dir.expanduser().resolve()
        self.port = port
        self.options = dict(options or {})
        self.log_file = self.data_dir.with_suffix(".log")
        self._user: str | None = None
        self._child: process.Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL clients connect with."""

    @abstractmethod
    def prepare(self) -> None:
        """Create what the server needs before it can be launched. A second call does nothing."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line that runs the server in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers its clients now."""

    @property
    def pid(self) -> int:
        """The process id of the running server; raises ServerError if it isn't running."""
        if self._child is None or self._child.poll() is not None:
            raise ServerError(f"{self.name} is not running")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """How the server ended; None while it runs or before it was launched."""
        return None if self._child is None else self._child.poll()

    def start(self, timeout: float = 30.0) -> Self:
        """Prepare and launch the server and wait until it answers; raises ServerError."""
        self.prepare()
        self.launch()
        self.wait_ready(timeout)
        return self

    def launch(self) -> None:
        """Start the process; call it from the main thread (see process.guarded)."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        is_long = self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES
        with self.log_file.open("wb" if is_long else "ab") as log:
            self._child = process.spawn(
                self.command(),
                output=log,
                death_signal=self.endings[0][0],
                user=self._user,
                cwd=self.data_dir,
            )

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until the server answers; raises ServerError when it ends or ``timeout`` seconds pass."""
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if self.exit_code is not None:
                raise ServerError(f"{self.name} ended with {self.exit_code}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} was not ready in {timeout:g} s:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the server cleanly, or by force if that takes too long. None of its processes remain."""
        self._end(self.endings)

    def kill(self) -> None:
        """SIGKILL the server and all its processes at once, as a crash would."""
        self._end([])

    def restart(self) -> None:
        """Stop the server, unless it has ended, and start it again on the same port and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP the server and all its processes: connections stay open and get no answer."""
        process.signal_family(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after ``pause``."""
        process.signal_family(self.pid, signal.SIGCONT)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, signals: Sequence[tuple[signal.Signals, float]]) -> None:
        if self._child is None:
            return
        if self._child.poll() is None:
            if signals:
                process.signal_family(self._child.pid, signal.SIGCONT)
            process.end(self._child.pid, signals)
        self._child.wait()

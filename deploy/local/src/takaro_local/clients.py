"""``python -m takaro_local.clients psql|redis-cli [arguments]``: database clients on the stack's settings."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

from takaro_local.postgres import DATABASE, PASSWORD, ROLE, binary
from takaro_local.server import HOST
from takaro_local.settings import LocalSettings, surroundings

#: For machines without redis-cli and valkey-cli; run by uv, so that it is no dependency of ours.
_IREDIS = "iredis==1.16.1"


def psql(settings: LocalSettings) -> Sequence[str]:
    """The command line of the embedded psql on the stack's database."""
    url = (
        settings.database_url or f"postgresql://{ROLE}:{PASSWORD}@{HOST}:{settings.postgres_port}/{DATABASE}"
    )
    return [str(binary("psql")), url]


def redis_cli(settings: LocalSettings) -> Sequence[str]:
    """The command line of the machine's own client, else of iredis, on the stack's Redis."""
    url = settings.redis_url or f"redis://{HOST}:{settings.redis_port}"
    if own := shutil.which("redis-cli") or shutil.which("valkey-cli"):
        return [own, "-u", url]
    return [os.environ.get("UV", "uv"), "tool", "run", "--quiet", _IREDIS, "--url", url]


def main(arguments: Sequence[str]) -> None:
    """Become the client."""
    clients = {"psql": psql, "redis-cli": redis_cli}
    if not arguments or arguments[0] not in clients:
        sys.exit(f"usage: python -m takaro_local.clients {'|'.join(clients)} [arguments]")
    name, *rest = arguments
    command = [*clients[name](LocalSettings.read(surroundings()))]
    if rest and _IREDIS in command:
        # iredis shows the answer to a command on its command line on terminals only; to its input always.
        sys.exit(subprocess.run(command, input=shlex.join(rest), text=True, check=False).returncode)
    os.execvp(command[0], [*command, *rest])  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    main(sys.argv[1:])

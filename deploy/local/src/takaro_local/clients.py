"""``python -m takaro_local.clients psql|redis-cli …``: run a client on the local stack."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from takaro_local.addresses import settings_of_clients
from takaro_local.postgres import DATABASE, PASSWORD, ROLE, binary
from takaro_local.server import HOST
from takaro_local.settings import LocalSettings, problems_of

#: For machines without redis-cli and valkey-cli. uv runs it, so it isn't one of our dependencies.
_IREDIS = "iredis==1.16.1"
_CLIENTS = ("psql", "redis-cli")


def database_url(settings: LocalSettings) -> str:
    """The URL of the stack's Postgres, or DATABASE_URL if it is set."""
    return (
        settings.database_url or f"postgresql://{ROLE}:{PASSWORD}@{HOST}:{settings.postgres_port}/{DATABASE}"
    )


def redis_url(settings: LocalSettings) -> str:
    """The URL of the stack's Redis, or REDIS_URL if it is set."""
    return settings.redis_url or f"redis://{HOST}:{settings.redis_port}"


def command_line(client: str, settings: LocalSettings) -> Sequence[str]:
    """The command to run: the embedded psql, or the machine's Redis client, else iredis."""
    if client == "psql":
        # libpq knows no postgresql+asyncpg://, which services take.
        return [str(binary("psql")), re.sub(r"^(\w+)\+\w+:", r"\1:", database_url(settings))]
    if own := shutil.which("redis-cli") or shutil.which("valkey-cli"):
        return [own, "-u", redis_url(settings)]
    return [os.environ.get("UV", "uv"), "tool", "run", "--quiet", _IREDIS, "--url", redis_url(settings)]


def main(arguments: Sequence[str]) -> None:
    """Replace this process with the client."""
    if not arguments or arguments[0] not in _CLIENTS:
        sys.exit(f"usage: python -m takaro_local.clients {'|'.join(_CLIENTS)} [arguments]")
    try:
        settings = LocalSettings.read(settings_of_clients())
    except ValidationError as error:
        sys.exit("\n".join(problems_of(error)))
    os.environ |= {"DATABASE_URL": database_url(settings), "REDIS_URL": redis_url(settings)}
    command, rest = command_line(arguments[0], settings), arguments[1:]
    if rest and _IREDIS in command:
        # iredis answers a command from its command line only on a terminal, but always one from its input.
        sys.exit(subprocess.run(command, input=shlex.join(rest), text=True, check=False).returncode)
    os.execvp(command[0], [*command, *rest])  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    main(sys.argv[1:])

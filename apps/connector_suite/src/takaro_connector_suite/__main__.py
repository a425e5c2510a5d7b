"""``python -m takaro_connector_suite --command 'my-server --url {url} --token {token}'``."""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Sequence

from takaro_connector_suite.cases import CASES, Broken, World
from takaro_connector_suite.takaro import play_takaro

TOKEN = "conformance-suite-registration-token"  # noqa: S105 -- of this suite alone


async def run_cases(world: World) -> list[str]:
    """Run every case and print how it went. Returns the names of those that failed."""
    failed = []
    for case in CASES:
        name = case.__name__.replace("_", " ")
        try:
            await case(world)
        except Broken as error:
            failed.append(name)
            print(f"FAILED  {name}: {error}", flush=True)
        else:
            print(f"passed  {name}", flush=True)
    return failed


async def check(command: str, port: int, seconds: float) -> int:
    """Start the connector and run every case. The exit code: 0 if all pass, 1 if not."""
    async with play_takaro(port) as takaro:
        takaro.token = TOKEN
        words = [word.format(url=takaro.url, token=TOKEN) for word in shlex.split(command)]
        environment = os.environ | {"TAKARO_CONNECT_URL": takaro.url, "TAKARO_REGISTRATION_TOKEN": TOKEN}
        process = await asyncio.create_subprocess_exec(*words, env=environment)
        try:
            return 1 if await run_cases(World(takaro, seconds)) else 0
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m takaro_connector_suite",
        description="Checks a game server's connection to Takaro against the documented protocol.",
    )
    parser.add_argument(
        "--command",
        required=True,
        help="starts the game server; {url} and {token} in it stand for the server that plays Takaro and the "
        "registration token, which it also finds as TAKARO_CONNECT_URL and TAKARO_REGISTRATION_TOKEN",
    )
    parser.add_argument("--port", type=int, default=0, help="port of the server that plays Takaro")
    parser.add_argument("--seconds", type=float, default=30, help="longest wait for each answer")
    options = parser.parse_args(arguments)
    return asyncio.run(check(options.command, options.port, options.seconds))


if __name__ == "__main__":
    sys.exit(main())

"""``python -m takaro_local`` (``make run``): the whole stack in the foreground."""

import asyncio
import signal
import sys

from pydantic import ValidationError

from takaro_local import data_dir
from takaro_local.console import Screen
from takaro_local.server import ServerError
from takaro_local.service import RefusedError
from takaro_local.settings import LocalSettings, problems_of, surroundings
from takaro_local.stack import PortsTakenError, Stack
from takaro_schema.errors import MigrationError

_EXPECTED = (PortsTakenError, ServerError, RefusedError, MigrationError)


def main() -> int:
    """Run the stack until a signal stops it. Return the exit code: 1 if the stack couldn't start."""
    environment = surroundings()
    try:
        settings = LocalSettings.read(environment)
        with data_dir.claim(settings.data_dir):
            return asyncio.run(_run(settings, environment))
    except ValidationError as error:
        print(*problems_of(error), sep="\n", file=sys.stderr)
    except data_dir.DataDirError as error:
        print(error, file=sys.stderr)
    return 1


async def _run(settings: LocalSettings, environment: dict[str, str]) -> int:
    told_to_stop = asyncio.Event()
    screen = Screen(settings.log_format, gone=told_to_stop.set)
    stack = Stack(settings, environment, screen)

    def on_signal() -> None:
        if told_to_stop.is_set():
            screen.say("killing what is left")
            stack.kill()
        told_to_stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, on_signal)
    starting = asyncio.create_task(stack.start())
    stopping = asyncio.create_task(told_to_stop.wait())
    watching = asyncio.create_task(screen.watch())
    code = 0
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            broken = asyncio.create_task(stack.until_refused())
            await asyncio.wait({broken, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                await broken
            broken.cancel()
    except _EXPECTED as error:
        screen.say(str(error), "bold red")
        code = 1
    finally:
        told_to_stop.set()  # from here on a signal kills at once
        if not code:
            screen.say("stopping; press Ctrl-C again to kill it")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        stopping.cancel()
        watching.cancel()
        await stack.stop()
        screen.say("stopped")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""``python -m takaro_local.demo [--docs PATH]``: exit with 0 if every check passed, else with 1."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn
from uuid import uuid4

from pydantic import ValidationError

from takaro_local.demo.caller import FAILURES, Caller
from takaro_local.demo.documents import PROJECT_QUESTIONS, files_in, questions_about
from takaro_local.demo.screen import Screen
from takaro_local.demo.stack import Addresses, stack
from takaro_local.demo.steps import Demo
from takaro_local.settings import surroundings

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _ToldToStop(BaseException):
    """Raised by a signal, so that everything is stopped on the way out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo on this project's docs, or on a folder of Markdown. Return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--docs", default=os.environ.get("DOCS", ""), help="a folder of Markdown to search")
    docs = Path(folder).expanduser() if (folder := parser.parse_args(arguments).docs) else None
    screen = Screen()
    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        if docs is not None and not files_in(docs):
            screen.say(
                f"DOCS={docs} " + ("contains no .md or .txt files" if docs.exists() else "does not exist"),
                "red",
            )
            return 1
        _run(screen, docs)
    except FAILURES as error:
        for note in getattr(error, "__notes__", ()):
            screen.say(note, "dim")
        screen.say(f"not everything holds: {screen.steps} steps did, then this one didn't", "bold red")
        return 1
    except ValidationError as error:
        for problem in error.errors():
            screen.say(f"{str(problem['loc'][0]).upper()}: {problem['msg']}", "red")
        return 1
    except _ToldToStop as told:
        screen.say(f"stopped by {told}; nothing is left behind", "yellow")
        return 128 + signal.Signals[str(told)]
    screen.say(f"all {screen.steps} steps passed", "bold green")
    return 0


def _run(screen: Screen, docs: Path | None) -> None:
    questions = PROJECT_QUESTIONS if docs is None else questions_about(docs)
    with ExitStack() as held:
        addresses: list[Addresses] = []

        def find_stack() -> Iterator[str]:
            found, what = held.enter_context(stack(surroundings(), docs))
            addresses.append(found)
            yield what

        screen.step("local stack", find_stack)
        caller = held.enter_context(Caller(f"demo-{uuid4().hex[:8]}", addresses[0].urls, addresses[0].redis))
        held.callback(_hear_no_more)
        Demo(addresses[0], caller, screen).run(questions)


def _hear_no_more() -> None:
    """Ignore signals while everything is stopped."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _: FrameType | None) -> NoReturn:
    _hear_no_more()
    raise _ToldToStop(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())

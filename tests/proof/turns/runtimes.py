"""The runtimes of a run: real processes, which tell each step that they are about to take."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from takaro_local import process
from tests.proof.fleet import ROOT

Line = dict[str, Any]
PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class Told:
    """What runtimes said about their turns: which ``messages`` (by content), last pieces (``shown``, by turn)
    and ends of turns chat has confirmed; how often it ``refused`` a token, and how often another runtime was
    faster (``raced``). ``odd`` are answers that no runtime should get."""

    messages: set[str] = field(default_factory=set)
    shown: dict[str, int] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    refused: int = 0
    raced: int = 0
    odd: list[str] = field(default_factory=list)

    def take(self, line: Line) -> None:
        """One line of a runtime's."""
        if step := line.get("done"):
            if step in ("append", "finish"):
                self.messages.update(message["content"] for message in line["body"]["messages"])
            if step == "show":
                self.shown[line["turn"]] = line["shown"]
            if step in ("finish", "fail"):
                (self.finished if step == "finish" else self.failed).add(line["turn"])
        elif step := line.get("refused"):
            if line["status"] == 409 and step == "take":
                self.raced += 1
            elif line["status"] == 409:
                self.refused += 1
            else:
                self.odd.append(f"{step}: {line['status']} {line['text']}")


class Runtime:
    """One process; under its name it goes on after a kill."""

    def __init__(self, instance: str, arguments: Sequence[str], log: Path) -> None:
        self.instance = instance
        self._arguments, self._log = arguments, log
        self._child: process.Child | None = None
        self._reading: asyncio.Task[None] | None = None
        self.frozen = False
        self.launches = 0
        self.on_line: Callable[[Runtime, Line], None] = lambda _runtime, _line: None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._child is None else self._child.poll()

    @property
    def runs(self) -> bool:
        """Whether the process is there and not frozen."""
        return self._child is not None and self.exit_code is None and not self.frozen

    def launch(self) -> None:
        """Start the process and don't wait."""
        self.launches += 1
        read, write = os.pipe()
        # The seed changes with each launch: one that is killed doesn't do the same again.
        *others, seed = self._arguments[:4]
        command = [*others, f"{seed} {self.launches}", *self._arguments[4:]]
        self._child = process.spawn(
            [sys.executable, "-m", "tests.proof.turns.runtime", *command],
            output=write,
            death_signal=signal.SIGKILL,
            cwd=ROOT,
        )
        os.close(write)
        self._reading = asyncio.create_task(self._read(read))

    def freeze(self) -> None:
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            self._signal(signal.SIGCONT)

    async def kill(self) -> int:
        """SIGKILL, and read what it had said."""
        return await self.end(0)

    async def end(self, patience: float) -> int:
        """SIGTERM, and SIGKILL after so many seconds."""
        assert self._child is not None
        self.thaw()
        signals = ((signal.SIGTERM, patience),) if patience else ()
        await asyncio.to_thread(process.end, self._child.pid, signals)
        if self._reading is not None:
            await self._reading
        return self._child.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self.exit_code is None:
            process.signal_family(self._child.pid, number)

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(descriptor, "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        with self._log.open("ab") as log:
            while text := await reader.readline():
                log.write(text)
                log.flush()
                if text.startswith(b"{"):
                    self.on_line(self, json.loads(text))
        transport.close()


class Runtimes:
    """All of them; half write over HTTP, half on the stream of commands."""

    def __init__(
        self,
        count: int,
        *,
        chats: Sequence[str],
        redis_url: str,
        folder: Path,
        seed: int,
        fails: float = 0.1,
        freezes_after: str | None = None,
    ) -> None:
        """``fails`` is the share of turns that they give up; each freezes once after the step."""
        self.told = Told()
        self.listeners: list[Callable[[Runtime, Line], None]] = [lambda _, line: self.told.take(line)]
        self.members: list[Runtime] = []
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            name = f"runtime-{number}"
            way = "http" if number % 2 else "stream"
            arguments = [name, way, redis_url, f"{seed} {name}", *chats, "--fails", str(fails)]
            if freezes_after is not None:
                arguments += ["--freezes-after", freezes_after]
            member = Runtime(name, arguments, folder / f"{name}.log")
            member.on_line = self._heard
            self.members.append(member)

    def wake(self) -> None:
        """Launch those that don't run, and thaw those that are frozen."""
        for member in self.members:
            member.thaw()
            if not member.runs:
                member.launch()

    async def finish(self) -> None:
        """Let each end the turn that it works in, and then itself."""
        await asyncio.gather(*(member.end(PATIENCE_SECONDS) for member in self.members if member.launches))

    async def stop(self) -> None:
        """Kill them."""
        await asyncio.gather(*(member.end(0) for member in self.members if member.launches))

    def _heard(self, runtime: Runtime, line: Line) -> None:
        for listener in self.listeners:
            listener(runtime, line)

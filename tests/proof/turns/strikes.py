"""Runtimes, and the chats that they ask, are killed and frozen at each step of a turn."""

import asyncio
import random
from collections import Counter
from itertools import product
from typing import Literal, get_args

from tests.proof.faults import Faults, How, Victim
from tests.proof.fleet import Fleet
from tests.proof.turns.runtime import STEPS, TTL_SECONDS
from tests.proof.turns.runtimes import Line, Runtime, Runtimes

Who = Literal["runtime", "chat"]
PATIENCE_SECONDS = 4.0
"""For a step that nobody takes soon, as ``fail``: then a runtime is struck wherever it is."""
ANYWHERE = "anywhere"


class Strikes:
    """One at a time: waits for a runtime that is at the step, and strikes it, or the chat that it asks.

    ``struck`` counts them by step, who and how.
    """

    def __init__(
        self, runtimes: Runtimes, fleet: Fleet, faults: Faults, *, gap: tuple[float, float], seed: int
    ) -> None:
        self._faults, self._gap = faults, gap
        self._random = random.Random(f"{seed} strikes")
        self._chats = {chat.url: chat for chat in fleet.of("chat")}
        self._runtimes = runtimes.members
        self._wanted: tuple[str, Who, How] | None = None
        self._found: asyncio.Future[Victim] | None = None
        self.struck: Counter[tuple[str, Who, How]] = Counter()
        runtimes.listeners.append(self._look)

    async def run(self) -> None:
        """Until the faults end. Every step is struck in each way, in an order that the seed draws."""
        all_of_them = list(product(STEPS, get_args(Who), get_args(How)))
        while True:
            self._random.shuffle(all_of_them)
            for each in all_of_them:
                if not await self._faults.wait(self._random.uniform(*self._gap)):
                    return
                await self._strike(*each)

    async def _strike(self, step: str, who: Who, how: How) -> None:
        self._found = asyncio.get_running_loop().create_future()
        self._wanted = (step, who, how)
        try:
            victim = await asyncio.wait_for(self._found, PATIENCE_SECONDS)
            await asyncio.sleep(self._random.choice((0, 0, 0.01, 0.03)))
        except TimeoutError:
            step, who, victim = ANYWHERE, "runtime", self._random.choice(self._runtimes)
        finally:
            self._wanted = None
        if victim.runs:
            self.struck[step, who, how] += 1
            service = "turns" if who == "runtime" else "chat"
            pause = self._random.uniform(0.5, 2.5) + (TTL_SECONDS if how == "freeze" else 0)
            await self._faults.hit(service, victim, how, pause)

    def _look(self, runtime: Runtime, line: Line) -> None:
        if self._wanted is None or self._found is None or self._found.done():
            return
        step, who, _ = self._wanted
        if line.get("step") != step:
            return
        victim = runtime if who == "runtime" else self._chats.get(line["chat"] or "")
        if victim is None:  # it wrote on the stream: whichever chat reads that
            victim = self._random.choice(list(self._chats.values()))
        self._found.set_result(victim)

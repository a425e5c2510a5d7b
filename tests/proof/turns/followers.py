"""Those who watch: one follows each turn from when it is taken to its end, whatever breaks meanwhile."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.proof.turns.load import USER
from tests.proof.turns.runtimes import Line, Runtime, Runtimes
from tests.support.plain_http import NO_TLS

SILENCE_SECONDS = 4.0
"""After so long without a word another process of chat is asked: this one may be frozen."""
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Watched:
    """What was shown of a turn, in the order in which it came: each piece's number, message and text. ``end``
    is the last event: ``done``, or an error's code."""

    numbers: list[int] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    end: str | None = None

    def take(self, event: str, data: dict[str, Any]) -> None:
        """An event of the stream."""
        if "number" in data:
            self.numbers.append(data["number"])
            message = data["messageId"]
            self.texts[message] = self.texts.get(message, "") + data["content"]
        elif event in ("done", "error"):
            self.end = data.get("code", event)


class Followers:
    """Begins to follow a turn when its runtime says that it has taken it."""

    def __init__(
        self, runtimes: Runtimes, find_chat: Callable[[random.Random], Awaitable[str]], seed: int
    ) -> None:
        self._find_chat, self._random = find_chat, random.Random(f"{seed} followers")
        self._tasks: list[asyncio.Task[None]] = []
        self.watched: dict[str, Watched] = {}
        self._client = httpx.AsyncClient(
            headers={"X-User-Id": USER}, timeout=SILENCE_SECONDS, trust_env=False, verify=NO_TLS
        )
        runtimes.listeners.append(self._hear)

    async def finish(self) -> None:
        """Wait for the end of every stream: those that don't end have no ``end``."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE_SECONDS)

    async def stop(self) -> None:
        """Follow no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _hear(self, _: Runtime, line: Line) -> None:
        if line.get("done") == "take" and line["turn"] not in self.watched:
            watched = self.watched[line["turn"]] = Watched()
            path = f"/api/conversations/{line['conversation']}/turns/{line['turn']}/stream"
            self._tasks.append(asyncio.create_task(self._follow(path, watched)))

    async def _follow(self, path: str, watched: Watched) -> None:
        """Go on after the last piece wherever somebody answers."""
        while watched.end is None:
            url = await self._find_chat(self._random)
            last = {"Last-Event-ID": str(watched.numbers[-1])} if watched.numbers else {}
            try:
                async with self._client.stream("GET", url + path, headers=last) as answer:
                    if answer.status_code == 200:
                        async for _, event, data in read_events(answer):
                            watched.take(event, data)
                            if watched.end is not None:
                                return
                    elif answer.status_code < 500 and answer.status_code != 429:
                        watched.end = f"{answer.status_code} {(await answer.aread()).decode()}"
            except httpx.HTTPError:
                pass
            if watched.end is None:
                await asyncio.sleep(0.1)


async def read_events(answer: httpx.Response) -> AsyncIterator[tuple[str | None, str, dict[str, Any]]]:
    """The id, the name and the data of each event that has come whole."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if not line and "data" in fields:
            yield fields.get("id"), fields["event"], json.loads(fields["data"])
        if line and name:
            fields[name] = value
        elif not line:
            fields = {}

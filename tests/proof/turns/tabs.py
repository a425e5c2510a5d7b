"""Tabs: one follows each conversation, facts and pieces alike, and goes on after the last event it has."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import httpx

from tests.proof.turns.followers import SILENCE_SECONDS, read_events
from tests.proof.turns.load import USER
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually

PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Seen:
    """What a tab was shown: each run of facts without a ``reset`` by their sequences, and pieces by turn.
    ``told`` are the turns whose end it saw."""

    facts: list[list[int]] = field(default_factory=lambda: [[]])
    pieces: dict[str, list[int]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    last: str | None = None

    @property
    def sequence(self) -> int:
        """Of the last fact."""
        return int((self.last or "0").partition("-")[0])

    def take(self, id_: str | None, event: str, data: Mapping[str, object]) -> None:
        """An event of the stream."""
        self.last = id_ or self.last
        if event == "reset":
            self.facts.append([])
        elif event == "chat.turn.chunk":
            piece = data["chunk"]
            assert isinstance(piece, dict)
            self.pieces.setdefault(str(data["turnId"]), []).append(piece["number"])
        elif event.endswith(".v1"):
            self.facts[-1].append(int(str(data["sequence"])))
            fact = data["data"]
            if event.removeprefix("chat.turn.") in _ENDS and isinstance(fact, dict):
                self.told.add(str(fact["turnId"]))


_ENDS = ("finished.v1", "failed.v1", "cancelled.v1", "interrupted.v1")


class Tabs:
    """Opened before anything is said."""

    def __init__(
        self,
        conversations: Sequence[UUID],
        find_chat: Callable[[random.Random], Awaitable[str]],
        seed: int,
    ) -> None:
        self._find_chat, self._random = find_chat, random.Random(f"{seed} tabs")
        self.seen = {conversation: Seen() for conversation in conversations}
        self._client = httpx.AsyncClient(
            headers={"X-User-Id": USER}, timeout=SILENCE_SECONDS, trust_env=False, verify=NO_TLS
        )
        self._tasks = [asyncio.create_task(self._follow(*each)) for each in self.seen.items()]

    async def opened(self) -> None:
        """Wait until each is connected."""
        await eventually(lambda: all(seen.last is not None for seen in self.seen.values()))

    async def finish(self, sequences: Mapping[UUID, int]) -> None:
        """Wait until each has come to the last fact of its conversation."""
        with suppress(AssertionError):
            await eventually(
                lambda: all(seen.sequence >= sequences[id_] for id_, seen in self.seen.items()),
                timeout=PATIENCE_SECONDS,
            )

    async def stop(self) -> None:
        """Close them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _follow(self, conversation: UUID, seen: Seen) -> None:
        path = f"/api/conversations/{conversation}/events"
        while True:
            url = await self._find_chat(self._random)
            last = {} if seen.last is None else {"Last-Event-ID": seen.last}
            with suppress(httpx.HTTPError):
                async with self._client.stream("GET", url + path, headers=last) as answer:
                    if answer.status_code == 200:
                        async for id_, event, data in read_events(answer):
                            seen.take(id_, event, data)
            await asyncio.sleep(0.1)

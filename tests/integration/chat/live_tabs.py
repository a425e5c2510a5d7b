"""Tabs that follow a conversation, as a browser does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from common import codec
from tests.support.services import Service
from tests.support.wait import eventually

PIECE = "chat.turn.chunk"


@dataclass(slots=True)
class Tab:
    """What one stream has brought: the name, id and data of each event but heartbeats."""

    received: list[tuple[str, str | None, Any]] = field(default_factory=list)
    ended: bool = False

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.received]

    @property
    def sequences(self) -> list[int]:
        """The sequences of the facts."""
        return [data["sequence"] for name, _, data in self.received if name.endswith(".v1")]

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """The numbers of the pieces, after those of their turns; each is in the id of its event."""
        found = [(id, d["number"], d["chunk"]["number"]) for name, id, d in self.received if name == PIECE]
        assert [(id or "").partition("-")[2] for id, _, _ in found] == [f"{t}-{p}" for _, t, p in found]
        return [(turn, piece) for _, turn, piece in found]

    @property
    def last_id(self) -> str:
        return [id for _, id, _ in self.received if id is not None][-1]

    async def has(self, *sequences: int) -> None:
        """Wait for the facts; they must be these."""
        await eventually(lambda: len(self.sequences) >= len(sequences) or self.ended)
        assert self.sequences == list(sequences)


@asynccontextmanager
async def open_tab(
    service: Service,
    user: str,
    conversation_id: str,
    *,
    last_event_id: str | None = None,
    query: Mapping[str, str] | None = None,
) -> AsyncIterator[Tab]:
    """Follow until the end of the block; entered when ``connected`` has arrived."""
    tab = Tab()
    headers = {"Last-Event-ID": last_event_id} if last_event_id is not None else {}
    path = f"/api/conversations/{conversation_id}/events"

    async def follow() -> None:
        try:
            async with (
                service.client(user, timeout=120) as client,
                client.stream("GET", path, headers=headers, params=query) as answer,
            ):
                assert answer.status_code == 200, await answer.aread()
                assert answer.headers["cache-control"] == "no-store, no-transform"
                assert answer.headers["x-accel-buffering"] == "no"
                fields: dict[str, str] = {}
                async for line in answer.aiter_lines():
                    if line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    elif fields:
                        if fields["event"] != "heartbeat":
                            data = codec.loads(fields["data"])
                            tab.received.append((fields["event"], fields.get("id"), data))
                        fields = {}
        finally:
            tab.ended = True

    following = asyncio.create_task(follow())
    try:
        await eventually(lambda: following.done() or tab.received)
        if following.done() and not tab.received:
            following.result()
        yield tab
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, httpx.TransportError):
            await following

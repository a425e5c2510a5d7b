"""Readers of turns' streams, and what they read: pieces as they are stored."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from chat.turns.piece_repository import insert_pieces
from chat.turns.records import PieceRow
from common import codec
from common.postgres import Pool
from tests.support.services import Service
from tests.support.wait import eventually


def text(number: int, content: str | None = None) -> dict[str, Any]:
    """A piece of text."""
    return {"number": number, "type": "text", "content": f"{number} " if content is None else content}


def texts(first: int, last: int) -> list[dict[str, Any]]:
    """Pieces with these numbers."""
    return [text(number) for number in range(first, last + 1)]


async def show(pool: Pool, turn_id: str | UUID, *pieces: dict[str, Any]) -> None:
    """Store pieces of a turn, all at once, as its runtime does."""
    stored = f"[{','.join(map(codec.dumps_str, pieces))}]"
    row = PieceRow(UUID(str(turn_id)), pieces[0]["number"], pieces[-1]["number"], stored)
    async with pool.acquire() as connection:
        assert await insert_pieces(connection, [row], [0]) == 1


@dataclass(slots=True)
class Reader:
    """What one stream has brought: the name, id and data of each event; and the lines before them."""

    received: list[tuple[str, str | None, Any]] = field(default_factory=list)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ended: bool = False

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.received]

    @property
    def numbers(self) -> list[int]:
        """Those of the pieces; each is the id of its event."""
        pieces = [(id, data["number"]) for _, id, data in self.received if "number" in data]
        assert [id for id, _ in pieces] == [str(number) for _, number in pieces]
        return [number for _, number in pieces]

    @property
    def last_id(self) -> str:
        return [id for _, id, _ in self.received if id is not None][-1]

    async def has(self, *numbers: int) -> None:
        """Wait for the pieces; they must be these."""
        await eventually(lambda: len(self.numbers) >= len(numbers) or self.ended)
        assert self.numbers == list(numbers)

    async def end(self) -> tuple[str, Any]:
        """Wait for the end: the name and the data of the last event."""
        await eventually(lambda: self.ended)
        name, _, data = self.received[-1]
        return name, data


@asynccontextmanager
async def reading(
    service: Service,
    user: str,
    path: str,
    *,
    method: str = "GET",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> AsyncIterator[Reader]:
    """Read a stream until the end of the block; entered when its answer has begun."""
    reader = Reader()

    async def read() -> None:
        try:
            async with (
                service.client(user, timeout=120) as client,
                client.stream(method, path, headers=headers, params=params, json=body) as answer,
            ):
                reader.headers, reader.status = answer.headers, answer.status_code
                fields: dict[str, str] = {}
                async for line in answer.aiter_lines():
                    if line.startswith(":"):
                        continue
                    if line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    elif fields:
                        received = (fields["event"], fields.get("id"), codec.loads(fields["data"]))
                        reader.received.append(received)
                        fields = {}
        finally:
            reader.ended = True

    task = asyncio.create_task(read())
    try:
        await eventually(lambda: task.done() or reader.status is not None)
        if task.done():
            task.result()
        yield reader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, httpx.TransportError):
            await task

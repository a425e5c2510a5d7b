"""Lines of a long request, as they come."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI, Request

from chat.pieces.lines import read_lines


def request_of(chunks: Iterator[bytes]) -> Request:
    """A request whose body are these chunks; the last one isn't its end."""
    app = FastAPI()
    app.state.stopping = asyncio.Event()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": next(chunks), "more_body": True}

    return Request({"type": "http", "app": app, "headers": []}, receive)


async def first(lines: AsyncIterator[list[bytes]], many: int) -> list[list[bytes]]:
    return [await anext(lines) for _ in range(many)]


async def test_a_sender_of_what_is_no_line_is_looked_after_like_one_that_is_silent() -> None:
    for chunk in (b"\n", b" "):
        chunks = iter([chunk] * 1_000)
        assert await first(read_lines(request_of(chunks), 2_000, 0.0), 3) == [[], [], []]


async def test_lines_come_together_and_apart() -> None:
    chunks = iter([b'{"a":1}\n{"b"', b":2}\n\n", b"x" * 5])
    lines = read_lines(request_of(chunks), 100, 60.0)
    assert await first(lines, 2) == [[b'{"a":1}'], [b'{"b":2}']]

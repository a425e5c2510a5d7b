"""Long lists as answers, sent page by page as they are read, with one page in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response, StreamingResponse

from common import codec
from servicekit.answers import data

T = TypeVar("T")


async def streamed_data(
    pages: AsyncGenerator[Sequence[T], None], to_json: Callable[[T], Mapping[str, Any]]
) -> Response:
    """``{"data": […]}`` with ``to_json`` of each item of ``pages``.

    A list that fits on one page is an ordinary answer. A longer list is sent in chunks, and the next page is
    read when the client has taken the last one. An error before the first chunk is answered like any other. A
    later one breaks the answer off before its last chunk, so that no client takes it for a complete list.
    """
    first = await anext(pages, None)
    second = None if first is None else await anext(pages, None)
    if first is None or second is None:
        return data([to_json(item) for item in first or ()])
    chunks = _chunks([first, second], pages, to_json)
    return StreamingResponse(chunks, media_type="application/json")


async def _chunks(
    begun: list[Sequence[T]],
    pages: AsyncGenerator[Sequence[T], None],
    to_json: Callable[[T], Mapping[str, Any]],
) -> AsyncIterator[bytes]:
    yield b'{"data":['
    separator = b""
    async with aclosing(pages):
        while begun:
            yield separator + _items(begun.pop(0), to_json)
            separator = b","
        async for page in pages:
            yield separator + _items(page, to_json)
    yield b"]}"


def _items(page: Sequence[T], to_json: Callable[[T], Mapping[str, Any]]) -> bytes:
    return codec.dumps([to_json(item) for item in page])[1:-1]

"""Long lists as answers, sent page by page as they are read, with one page in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from starlette.responses import Response, StreamingResponse

from common import codec
from servicekit.answers import JSONAnswer
from servicekit.keysets import K, Page

T = TypeVar("T")


async def streamed_data(
    pages: AsyncGenerator[Sequence[T], None],
    to_json: Callable[[T], Any],
    page: Page[K] | None = None,
    key: Callable[[T], K] | None = None,
    counts: Mapping[str, Any] | None = None,
) -> Response:
    """``{"data": […]}`` with ``to_json`` of each item of ``pages``.

    With a ``page`` that has a limit, the answer ends after that many items, and ``meta.nextCursor`` leads to
    the item after them: ``pages`` must go one item beyond (:attr:`Page.rows`), and ``key`` gives the key of
    an item. ``counts`` are added to ``meta``.

    A list that fits on one page is an ordinary answer. A longer list is sent in chunks, and the next page is
    read when the client has taken the last one. An error before the first chunk is answered like any other. A
    later one breaks the answer off before its last chunk, so that no client takes it for a complete list.
    """
    wanted = _Wanted(pages, None if page is None else page.limit)
    parts = wanted.parts()
    first = await anext(parts, None)
    second = None if first is None else await anext(parts, None)

    def meta() -> dict[str, Any]:
        found = dict(counts or {})
        if page is not None and page.limit is not None:
            assert key is not None, "a list with pages has a key"
            more = wanted.more and wanted.last is not None
            found["nextCursor"] = page.cursor(key(wanted.last)) if more else None
        return found

    if first is None or second is None:
        answer: dict[str, Any] = {"data": [to_json(item) for item in first or ()]}
        if extra := meta():
            answer["meta"] = extra
        return JSONAnswer(answer)

    def end() -> bytes:
        extra = meta()
        return b'],"meta":' + codec.dumps(extra) + b"}" if extra else b"]}"

    chunks = _chunks([first, second], parts, to_json, b'{"data":[', end)
    return StreamingResponse(chunks, media_type="application/json")


async def streamed_member(
    members: Mapping[str, Any],
    name: str,
    pages: AsyncGenerator[Sequence[T], None],
    to_json: Callable[[T], Any],
) -> Response:
    """``{"data": {…members, name: […]}}`` with ``to_json`` of each item of ``pages``, sent as
    :func:`streamed_data` does."""
    parts = _Wanted(pages, None).parts()
    first = await anext(parts, None)
    second = None if first is None else await anext(parts, None)
    if first is None or second is None:
        return JSONAnswer({"data": {**members, name: [to_json(item) for item in first or ()]}})
    begin = b'{"data":' + codec.dumps({**members, name: []})[:-2]
    chunks = _chunks([first, second], parts, to_json, begin, lambda: b"]}}")
    return StreamingResponse(chunks, media_type="application/json")


class _Wanted(Generic[T]):
    """The first ``limit`` items of a list; ``more`` says whether it has others, ``last`` is the last one."""

    def __init__(self, pages: AsyncGenerator[Sequence[T], None], limit: int | None) -> None:
        self._pages, self._left = pages, limit
        self.more = False
        self.last: Any = None

    async def parts(self) -> AsyncGenerator[Sequence[T], None]:
        async with aclosing(self._pages):
            async for part in self._pages:
                if self._left is not None:
                    self.more = len(part) > self._left
                    part = part[: self._left]
                    self._left -= len(part)
                if part:
                    self.last = part[-1]
                    yield part
                if self.more:
                    return


async def _chunks(
    begun: list[Sequence[T]],
    parts: AsyncGenerator[Sequence[T], None],
    to_json: Callable[[T], Any],
    begin: bytes,
    end: Callable[[], bytes],
) -> AsyncIterator[bytes]:
    yield begin
    separator = b""
    async with aclosing(parts):
        while begun:
            yield separator + _items(begun.pop(0), to_json)
            separator = b","
        async for part in parts:
            yield separator + _items(part, to_json)
    yield end()


def _items(page: Sequence[T], to_json: Callable[[T], Any]) -> bytes:
    return codec.dumps([to_json(item) for item in page])[1:-1]

"""Followed turns as server-sent events, in the existing web client's form."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Query

from chat.turn_streams.records import Awaits, Opened, Over, Piece, Progress, Shown, Step, Unanswered
from servicekit.live import Frames
from servicekit.sse import Comment, ServerEvent

_NUMBER = r"^(0|[1-9][0-9]{0,8})$"

LastPieceHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=_NUMBER,
        description="The number of the last piece that the caller has. Those after it follow.",
        examples=["3"],
    ),
]
LastPieceQuery = Annotated[
    str | None,
    Query(
        alias="lastEventId",
        pattern=_NUMBER,
        description="The same for a new `EventSource`, which can't send the header. The header counts first.",
        examples=["3"],
    ),
]

_ENDS = {
    "failed": "The agent failed",
    "cancelled": "The answer was stopped",
    "interrupted": "The agent was interrupted",
}


@dataclass(slots=True, frozen=True)
class PieceEvents:
    """Pieces, each an event with its type as name and its number as id."""

    pieces: Sequence[Piece]

    def encode(self) -> bytes:
        """All of them, to be sent at once."""
        return "".join(
            f"id: {piece.number}\nevent: {piece.type}\ndata: {piece.data}\n\n" for piece in self.pieces
        ).encode()


async def server_events(steps: AsyncIterator[Step], *, asks: bool = True) -> AsyncIterator[Frames]:
    """Each step as events. ``asks``: also what the turn asks a person."""
    async for step in steps:
        match step:
            case Opened():
                yield Comment("open")
            case Shown(pieces):
                yield PieceEvents(pieces)
            case Awaits(question):
                if asks:
                    yield _event("awaiting", tool=question["tool"], input=question["input"])
            case Over(progress):
                yield _end(progress)
            case Unanswered(reason, code):
                yield error(reason, code)


def error(text: str, code: str) -> ServerEvent:
    """The last event of a stream that doesn't end with ``done``."""
    return _event("error", error=text, code=code)


def last_frame(text: str, code: str) -> bytes:
    """As :func:`error`, for a stream that ends before its turn does."""
    return error(text, code).encode()


def _end(progress: Progress | None) -> ServerEvent:
    if progress is None:
        return error("The conversation was deleted", "conversation_deleted")
    if progress.state != "finished":
        return error(progress.error or _ENDS[progress.state], f"turn_{progress.state}")
    usage = progress.usage or {}
    read, written = _count(usage, "inputTokens"), _count(usage, "outputTokens")
    both = {"inputTokens": read, "outputTokens": written}
    total = _count(usage, "totalTokens") or read + written
    return _event("done", tokenUsage=both | {"totalTokens": total}, usage=both)


def _count(usage: Mapping[str, Any], name: str) -> int:
    """A number of tokens, if the runtime has told one."""
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _event(type: str, **data: Any) -> ServerEvent:
    return ServerEvent(type, {"type": type, **data})

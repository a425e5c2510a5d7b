"""Facts and pieces of turns as server-sent events."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header, Query
from orjson import Fragment

from chat.live.records import Connected, Ended, LiveFact, LivePieces, Position, Reset, Step, Told
from servicekit.live import Frames
from servicekit.sse import ServerEvent

PIECE = "chat.turn.chunk"
"""The name of the events that show pieces."""

_ID = r"^(0|[1-9][0-9]{0,17})(-[1-9][0-9]{0,8}-(0|[1-9][0-9]{0,8}))?$"

LastEventIdHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=_ID,
        description="The `id` of the last event that the caller has. What came after it follows.",
        examples=["17", "17-2-5"],
    ),
]
LastEventIdQuery = Annotated[
    str | None,
    Query(
        alias="lastEventId",
        pattern=_ID,
        description="The same for a new `EventSource`, which can't send the header. The header counts first.",
        examples=["17", "17-2-5"],
    ),
]


FormatQuery = Annotated[
    Literal["facts", "ag-ui"],
    Query(alias="format", description="`ag-ui`: in the events of the AG-UI protocol."),
]


def position_of(id: str | None) -> Position | None:
    """Where the reader is who had the event with this id last."""
    if id is None:
        return None
    sequence, *piece = map(int, id.split("-"))
    return Position(sequence, *piece)


async def server_events(conversation_id: UUID, steps: AsyncIterator[Step]) -> AsyncIterator[Frames]:
    """Each step as events."""
    async for step in steps:
        match step:
            case Connected(position):
                data = {"conversationId": str(conversation_id), "sequence": position.sequence}
                yield ServerEvent("connected", data, str(position))
            case Reset(sequence):
                yield ServerEvent("reset", {"sequence": sequence}, str(sequence))
            case Ended(reason):
                yield ServerEvent("end", {"reason": reason})
            case Told(fact, position):
                yield server_event(fact, position)
            case LivePieces():
                yield PieceEvents(str(conversation_id), step)


@dataclass(slots=True, frozen=True)
class PieceEvents:
    """Pieces of a turn, each as ``chat.turn.chunk``."""

    conversation_id: str
    shown: LivePieces

    def encode(self) -> bytes:
        """All of them, to be sent at once."""
        turn, sequence = self.shown.turn, self.shown.sequence
        about = f'{{"conversationId":"{self.conversation_id}","turnId":"{turn.id}","number":{turn.number},'
        return "".join(
            f"id: {Position(sequence, turn.number, piece.number)}\nevent: {PIECE}\n"
            f'data: {about}"chunk":{piece.data}}}\n\n'
            for piece in self.shown.pieces
        ).encode()


def server_event(fact: LiveFact, position: Position) -> ServerEvent:
    """A fact under its type, as a CloudEvent in JSON."""
    data = {
        "id": fact.id,
        "source": fact.source,
        "type": fact.type,
        "subject": fact.subject,
        "time": fact.time,
        "sequence": fact.sequence,
        "data": Fragment(fact.data),
    }
    return ServerEvent(fact.type, data, str(position))

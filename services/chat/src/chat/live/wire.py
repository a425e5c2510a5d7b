"""Facts as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header, Query
from orjson import Fragment

from chat.live.records import Connected, Ended, LiveFact, Reset, Step
from servicekit.sse import ServerEvent

_ID = r"^(0|[1-9][0-9]{0,17})$"

LastEventIdHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=_ID,
        description="The `id` of the last event that the caller has. What came after it follows.",
        examples=["17"],
    ),
]
LastEventIdQuery = Annotated[
    str | None,
    Query(
        alias="lastEventId",
        pattern=_ID,
        description="The same for a new `EventSource`, which can't send the header. The header counts first.",
        examples=["17"],
    ),
]


FormatQuery = Annotated[
    Literal["facts", "ag-ui"],
    Query(alias="format", description="`ag-ui`: in the events of the AG-UI protocol."),
]


async def server_events(conversation_id: UUID, steps: AsyncIterator[Step]) -> AsyncIterator[ServerEvent]:
    """Each step as an event."""
    async for step in steps:
        match step:
            case Connected(sequence):
                data = {"conversationId": str(conversation_id), "sequence": sequence}
                yield ServerEvent("connected", data, str(sequence))
            case Reset(sequence):
                yield ServerEvent("reset", {"sequence": sequence}, str(sequence))
            case Ended(reason):
                yield ServerEvent("end", {"reason": reason})
            case LiveFact():
                yield server_event(step)


def server_event(fact: LiveFact) -> ServerEvent:
    """A fact under its type, as a CloudEvent in JSON; its id is its sequence."""
    data = {
        "id": fact.id,
        "source": fact.source,
        "type": fact.type,
        "subject": fact.subject,
        "time": fact.time,
        "sequence": fact.sequence,
        "data": Fragment(fact.data),
    }
    return ServerEvent(fact.type, data, str(fact.sequence))

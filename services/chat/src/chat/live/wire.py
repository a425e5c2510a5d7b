"""Facts as server-sent events."""

from typing import Annotated
from uuid import UUID

from fastapi import Header, Query
from orjson import Fragment

from chat.live.records import LiveFact
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


def connected(conversation_id: UUID, sequence: int) -> ServerEvent:
    """The first event: what follows comes after this sequence."""
    data = {"conversationId": str(conversation_id), "sequence": sequence}
    return ServerEvent("connected", data, str(sequence))


def reset(sequence: int) -> ServerEvent:
    """Facts are missing: the conversation is to be read again, and what follows comes after it."""
    return ServerEvent("reset", {"sequence": sequence}, str(sequence))


def ended(reason: str) -> ServerEvent:
    """The last event: nothing will come of this conversation any more."""
    return ServerEvent("end", {"reason": reason})


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

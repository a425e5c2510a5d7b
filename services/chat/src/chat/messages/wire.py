"""Messages on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from fastapi import Path
from orjson import Fragment
from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from chat.conversations.wire import NOT_FOUND
from chat.messages.records import Incomplete, Message
from chat.quotas.wire import EXCEEDED
from common import codec
from common.json_time import cut_time, json_time
from contracts.chat import MAX_USER_CONTENT, OnBusy
from contracts.storable import Text
from servicekit.answers import Body
from servicekit.event_sources import EVENT_STREAM
from servicekit.forms import AnyJson, Time, Uuid

ID_REUSED = {409: "The id belongs to another message."}
NOT_STORED = {409: f"{ID_REUSED[409]} Or a turn runs, and `onBusy` is `reject`."}
NOT_TAKEN = {429: f"{EXCEEDED[429]} Or the caller has too many event streams open."}
EXAMPLE = """\
id: 1
event: text
data: {"number":1,"type":"text","content":"Zombies spawn at night."}

event: done
data: {"type":"done","tokenUsage":{"inputTokens":12,"outputTokens":5,"totalTokens":17},\
"usage":{"inputTokens":12,"outputTokens":5}}
"""
"""Of a message that is answered with a stream."""

MessageId = Annotated[UUID, Path(alias="messageId")]
MESSAGE_NOT_FOUND = NOT_FOUND | {404: "There is no such conversation, or no such message in it."}


class PostMessage(Body):
    """A user's message. ``id`` is the caller's own: sent again, the same message is stored once. ``onBusy``
    is what it does while a turn runs: it waits for the next turn, cancels the one that runs, or is refused.
    """

    id: Annotated[UUID, Field(strict=False)] | None = None
    content: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_USER_CONTENT)] = Field(
        examples=["Write me a module that greets new players"]
    )
    on_busy: OnBusy = "queue"


class FeedbackJson(TypedDict):
    """What the owner of the conversation thinks of an assistant's message."""

    rating: Literal["up", "down"]
    note: NotRequired[str]
    at: Time


class MessageJson(TypedDict):
    """A message. ``toolExecutions`` and ``toolResults`` are what its agent stored with it."""

    id: Uuid
    conversationId: Uuid
    role: Annotated[str, Field(examples=["user", "assistant"])]
    content: str
    tokenCount: int | None
    latencyMs: int | None
    createdAt: Time | None
    sequence: Annotated[int, Field(description="The place in the conversation: 1, 2, 3 …")]
    model: NotRequired[str]
    toolExecutions: NotRequired[AnyJson]
    toolResults: NotRequired[AnyJson]
    feedback: NotRequired[FeedbackJson]
    redactedAt: NotRequired[Time]
    incomplete: NotRequired[
        Annotated[
            Incomplete, Field(description="How the turn ended that had shown this much of the message.")
        ]
    ]


def message_json(conversation_id: str, message: Message) -> MessageJson:
    """A message as clients know it: ``toolExecutions`` is the column ``tool_calls``, absent when NULL."""
    answer: MessageJson = {
        "id": message.id,
        "conversationId": conversation_id,
        "role": message.role,
        "content": message.content,
        "tokenCount": message.token_count,
        "latencyMs": message.latency_ms,
        "createdAt": cut_time(message.created_at),
        "sequence": message.sequence,
    }
    if message.model is not None:
        answer["model"] = message.model
    if message.tool_calls is not None:
        answer["toolExecutions"] = Fragment(message.tool_calls)
    if message.tool_results is not None:
        answer["toolResults"] = Fragment(message.tool_results)
    if message.feedback is not None:
        answer["feedback"] = _feedback_json(codec.loads(message.feedback))
    if message.redacted_at is not None:
        answer["redactedAt"] = json_time(message.redacted_at)
    if message.incomplete is not None:
        answer["incomplete"] = message.incomplete
    return answer


def _feedback_json(kept: dict[str, Any]) -> FeedbackJson:
    answer: FeedbackJson = {"rating": kept["rating"], "at": json_time(datetime.fromisoformat(kept["at"]))}
    if "note" in kept:
        answer["note"] = kept["note"]
    return answer


def also_streamed(declared: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a route that answers in JSON, or with a stream."""
    declared["responses"][200]["content"] = {EVENT_STREAM: {"schema": {"type": "string"}, "example": EXAMPLE}}
    return declared


def sequence_of(answer: bytes | memoryview) -> int:
    """The place of the message that an answer has."""
    place: int = codec.loads(answer)["data"]["sequence"]
    return place

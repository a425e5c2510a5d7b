"""Turns on the wire."""

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypedDict

from chat.conversations.wire import NOT_FOUND
from chat.messages.records import Message
from chat.messages.routes import MESSAGES
from chat.messages.wire import MessageJson, message_json
from chat.runtimes.records import Taken
from chat.transfers.wire import MAX_MESSAGES, BulkMessage
from chat.turns.records import State, Turn
from chat.turns.wire import NO_TURN, NOT_YOUR_TURN
from common import codec
from common.json_time import json_time
from contracts.storable import JsonObject, Text
from servicekit.answers import Body
from servicekit.forms import JsonObjectOrNull, Time, Uuid

DEFAULT_TTL_SECONDS = 30
MAX_TTL_SECONDS = 600
MAX_ERROR = 2_000
MAX_JSON_BYTES = 10_000
"""Of a question, an answer and the usage, each."""

TtlSeconds: TypeAlias = Annotated[int, Field(ge=1, le=MAX_TTL_SECONDS)]
NOT_YOURS = NO_TURN | {409: NOT_YOUR_TURN}
HELD = NO_TURN | {409: "A turn runs, or the one that was named isn't waiting any more."}
WAITS_NOT = NO_TURN | {409: "The turn waits for no answer."}
ENDED = NOT_FOUND | NO_TURN | {409: "The turn has ended."}


class TakeTurn(Body):
    """``turnId`` is that of the requested turn; without one, the runtime takes what is requested, or begins
    by itself. The turn must be renewed within ``ttlSeconds``."""

    turn_id: Annotated[UUID, Field(strict=False)] | None = None
    ttl_seconds: TtlSeconds = DEFAULT_TTL_SECONDS


def _small(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None and codec.stored_bytes(codec.dumps(value)) > MAX_JSON_BYTES:
        raise ValueError(f"must have at most {MAX_JSON_BYTES} bytes as JSON")
    return value


SmallObject: TypeAlias = Annotated[JsonObject, AfterValidator(_small)]


class Awaiting(Body):
    """What a turn asks a person: the tool that wants to know, and its input."""

    tool: Annotated[Text, StringConstraints(min_length=1, max_length=100)]
    input: SmallObject


class RenewTurn(Body):
    """``ttlSeconds``: as long as before, if it isn't there. ``awaiting``: the turn waits from now on for what
    a person answers."""

    ttl_seconds: TtlSeconds | None = None
    awaiting: Awaiting | None = None


class AnswerTurn(Body):
    """What a person answers; its form is between the runtime and who shows the question."""

    answer: SmallObject = Field(examples=[{"approved": True}])


class FinishTurn(Body):
    """The last messages, which are stored together with the end of the turn, and what was used."""

    messages: Annotated[list[BulkMessage], Field(max_length=MAX_MESSAGES)] = Field(default_factory=list)
    usage: SmallObject | None = None


class FailTurn(Body):
    """Why the runtime gives up, for people."""

    error: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_ERROR)] = Field(
        examples=["The model's API answered with 500"]
    )


class AwaitingJson(TypedDict):
    """What a turn asks a person."""

    tool: str
    input: JsonObjectOrNull


class TurnJson(TypedDict):
    """A turn. ``number`` counts those of its conversation; ``throughSequence`` is the last message that it
    answers. ``runtime`` is the user id of who has taken it."""

    turnId: Uuid
    conversationId: Uuid
    number: int
    state: State
    throughSequence: int
    runtime: str | None
    requestedAt: Time
    startedAt: Time | None
    expiresAt: Time | None
    endedAt: Time | None
    awaiting: NotRequired[AwaitingJson]
    answer: NotRequired[JsonObjectOrNull]
    usage: NotRequired[JsonObjectOrNull]
    error: NotRequired[str]


class RenewedTurnJson(TurnJson):
    """A turn after its renewal. ``cancelled``: somebody has stopped it, and it isn't renewed."""

    cancelled: bool


class TakenTurnJson(TypedDict):
    """What a runtime needs for its turn. ``history`` are the newest 200 messages up to ``throughSequence``,
    oldest first, and at most about 1 MB of them; those before are in the list of messages, with
    ``order=desc`` and ``cursor=historyCursor``. ``userId`` is the owner, on whose behalf it works."""

    turnId: Uuid
    conversationId: Uuid
    number: int
    token: Annotated[str, Field(description="For `X-Turn-Token` and `turnToken`. It is in no other answer.")]
    expiresAt: Time | None
    throughSequence: int
    userId: str
    agentId: str
    agentVersion: str
    history: list[MessageJson]
    historyCursor: str | None
    state: JsonObjectOrNull
    stateVersion: int


def turn_json(turn: Turn) -> TurnJson:
    """A turn as clients know it. Its token is in no list."""
    answer: TurnJson = {
        "turnId": str(turn.id),
        "conversationId": str(turn.conversation_id),
        "number": turn.number,
        "state": turn.state,
        "throughSequence": turn.through_sequence,
        "runtime": turn.runtime,
        "requestedAt": json_time(turn.requested_at),
        "startedAt": json_time(turn.started_at),
        "expiresAt": json_time(turn.expires_at) if turn.held else None,
        "endedAt": json_time(turn.ended_at),
    }
    if turn.state == "awaiting" and turn.awaiting is not None:
        answer["awaiting"] = {"tool": turn.awaiting["tool"], "input": turn.awaiting["input"]}
    if turn.answer is not None:
        answer["answer"] = turn.answer
    if turn.usage is not None:
        answer["usage"] = turn.usage
    if turn.error is not None:
        answer["error"] = turn.error
    return answer


def renewed_json(turn: Turn) -> RenewedTurnJson:
    """A renewed turn, or one that was cancelled."""
    return {**turn_json(turn), "cancelled": turn.state == "cancelled"}


def taken_json(taken: Taken, token: str) -> TakenTurnJson:
    """A turn that a runtime has taken, with its token."""
    turn, context = taken.turn, taken.context
    conversation_id = str(turn.conversation_id)
    return {
        "turnId": str(turn.id),
        "conversationId": conversation_id,
        "number": turn.number,
        "token": token,
        "expiresAt": json_time(turn.expires_at),
        "throughSequence": turn.through_sequence,
        "userId": context.user_id,
        "agentId": context.agent_id,
        "agentVersion": context.agent_version,
        "history": [message_json(conversation_id, message) for message in context.messages],
        "historyCursor": _cursor_before(turn, context.messages),
        "state": context.state,
        "stateVersion": context.state_version,
    }


def _cursor_before(turn: Turn, messages: Sequence[Message]) -> str | None:
    """The cursor of the messages before these, in the list of messages backwards."""
    if not messages or messages[0].sequence == 1:
        return None
    page = MESSAGES.page(None, None, "desc", turn.conversation_id)
    return page.cursor((messages[0].sequence,))

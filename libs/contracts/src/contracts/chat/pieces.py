"""The stream on which runtimes show their work while they do it. Chat alone reads it: a turn's token is in
each command."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from contracts import Contract
from contracts.chat.commands import TurnToken
from contracts.storable import JsonObject, Text, check_json

TURNS_STREAM = "chat.turns"

MAX_PIECE_TEXT = 65_536
"""Maximum characters of a piece of text."""

PieceNumber = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
CallId = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
ToolName = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
Json = Annotated[Any, AfterValidator(check_json)]


class _Piece(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, allow_inf_nan=False
    )

    number: PieceNumber
    message_id: UUID | None = None


class TextPiece(_Piece):
    """Text that a message goes on with."""

    type: Literal["text"]
    content: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_PIECE_TEXT)]


class ToolUsePiece(_Piece):
    """The runtime calls a tool."""

    type: Literal["tool_use"]
    id: CallId
    name: ToolName
    input: JsonObject


class ToolResult(BaseModel):
    """What a tool has answered."""

    model_config = _Piece.model_config

    success: bool
    output: Json = None
    error: Text | None = None


class ToolResultPiece(_Piece):
    """What the tool of the call with this ``id`` has answered."""

    type: Literal["tool_result"]
    id: CallId
    name: ToolName
    result: ToolResult
    duration_ms: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None = None


def _in_plain_json_schema(schema: dict[str, Any]) -> None:
    # OpenAPI's keyword: in AsyncAPI, ``discriminator`` is something else.
    schema.pop("discriminator", None)


Piece: TypeAlias = Annotated[
    TextPiece | ToolUsePiece | ToolResultPiece,
    Field(discriminator="type", json_schema_extra=_in_plain_json_schema),
]
"""A piece of what a turn shows. ``number`` counts them in their turn: 1, 2, 3 … ``messageId`` is the id of
the message that it is part of; by default the turn's id."""


class ShowPiece(Contract):
    """A running turn shows the next piece. One whose number is stored already is passed over."""

    type: ClassVar[str] = "chat.turn.chunk.v1"

    conversation_id: UUID
    turn_id: UUID
    token: TurnToken
    chunk: Piece


TURN_COMMANDS: tuple[type[Contract], ...] = (ShowPiece,)
"""The commands that chat reads from ``chat.turns``."""

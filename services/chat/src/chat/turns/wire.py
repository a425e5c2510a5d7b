"""Turns' tokens on the wire."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Header, Path

TurnId: TypeAlias = Annotated[UUID, Path(alias="turnId")]
NO_TURN = {
    403: "It is another user's conversation, or the caller isn't a runtime of its agent.",
    404: "There is no such conversation, or no such turn in it.",
}
_HEADER = Header(
    alias="X-Turn-Token",
    min_length=1,
    max_length=100,
    description="The token of the turn that the caller, a runtime, has taken.",
)
TurnTokenParam: TypeAlias = Annotated[str | None, _HEADER]
RequiredTurnTokenParam: TypeAlias = Annotated[str, _HEADER]
NOT_YOUR_TURN = "A turn runs, and the request hasn't its token; or the turn of its token is over."

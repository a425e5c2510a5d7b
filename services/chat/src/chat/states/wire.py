"""States on the wire."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Request
from orjson import Fragment
from pydantic import Field
from typing_extensions import TypedDict

from chat.states.conditions import read_condition
from chat.states.records import Condition, State
from contracts.storable import JsonObject
from servicekit.answers import Body
from servicekit.forms import FailureJson, JsonObjectOrNull
from servicekit.openapi import refusing

ExpectedVersion: TypeAlias = Annotated[int, Field(ge=0)]


class ReplaceState(Body):
    """A whole state, which replaces the one that the conversation has.

    With ``expectedVersion`` only the state at that version is replaced.
    """

    state: JsonObject
    expected_version: ExpectedVersion | None = None


class StateJson(TypedDict):
    """A conversation's state. ``version`` grows by one with each change; it is the ``ETag`` too."""

    state: JsonObjectOrNull
    version: int


class StateConflictJson(FailureJson):
    """The state has another version. It stays as it is, and ``data`` has it."""

    data: StateJson


ETAG = {"ETag": {"description": "The version.", "schema": {"type": "string", "examples": ['"3"']}}}
_EXCLUDED = refusing(412, "`If-Match` or `If-None-Match` excludes the state's version.", StateConflictJson)
LOST_RACE = _EXCLUDED | refusing(409, "The state isn't at `expectedVersion`.", StateConflictJson)
UNCHANGED = _EXCLUDED | {304: {"description": "`If-None-Match` has the state's version.", "headers": ETAG}}


async def _condition(
    request: Request,
    if_match: Annotated[
        str | None, Header(description="`ETag`s of states, or `*`. For any other version the answer is 412.")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="`ETag`s of states, or `*`. For these versions it is 304 or 412.")
    ] = None,
) -> Condition:
    """What the request's headers demand of the version. Each may stand in several lines."""
    lines = request.headers.getlist
    return read_condition(
        None if if_match is None else ", ".join(lines("if-match")),
        None if if_none_match is None else ", ".join(lines("if-none-match")),
        None,
    )


ConditionParam: TypeAlias = Annotated[Condition, Depends(_condition)]


def state_json(state: State) -> StateJson:
    """A state with its version."""
    return {
        "state": state.state if state.encoded is None else Fragment(state.encoded),
        "version": state.version,
    }

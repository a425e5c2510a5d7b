"""States on the wire."""

from typing import Annotated, NotRequired, TypeAlias

from fastapi import Path
from orjson import Fragment
from typing_extensions import TypedDict

from chat.states.records import KeptState, State, StateVersion
from common.json_time import json_time
from contracts.storable import JsonObject
from servicekit.answers import Body
from servicekit.conditions import ETAG, ExpectedVersion
from servicekit.forms import FailureJson, JsonObjectOrNull, Time
from servicekit.list_parameters import Digits
from servicekit.openapi import refusing

Version: TypeAlias = Annotated[int, Digits, Path(ge=0, le=2**63 - 1)]


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


class StateVersionJson(TypedDict):
    """A version of a state: who made it, a user or the source of a command, and when, as far as is known.

    ``bytes`` are those of the state as JSON. Nobody is known for the state that a conversation was created
    with, and for what other programs write to the database.
    """

    version: int
    bytes: int
    userId: str | None
    source: str | None
    changedAt: Time | None


class KeptStateJson(StateVersionJson):
    """A state as it was at a version."""

    state: JsonObjectOrNull


class StateConflictJson(FailureJson):
    """The state has another version: it stays as it is, and ``data`` has it. Or it is another's turn."""

    data: NotRequired[StateJson]


_EXCLUDED = refusing(412, "`If-Match` or `If-None-Match` excludes the state's version.", StateConflictJson)
LOST_RACE = _EXCLUDED | refusing(
    409,
    "The state isn't at `expectedVersion`; or a turn runs, and the request hasn't its token.",
    StateConflictJson,
)
UNCHANGED = _EXCLUDED | {304: {"description": "`If-None-Match` has the state's version.", "headers": ETAG}}


def state_json(state: State) -> StateJson:
    """A state with its version."""
    return {
        "state": state.state if state.encoded is None else Fragment(state.encoded),
        "version": state.version,
    }


def version_json(about: StateVersion) -> StateVersionJson:
    """A version without its state."""
    return {
        "version": about.version,
        "bytes": about.bytes,
        "userId": about.user_id,
        "source": about.source,
        "changedAt": json_time(about.changed_at),
    }


def kept_state_json(kept: KeptState) -> KeptStateJson:
    """A version with its state."""
    return {**version_json(kept.about), "state": Fragment(kept.state)}

"""The states of conversations, and the versions that they had."""

from collections.abc import Callable, Mapping
from dataclasses import replace as changed
from typing import Any, TypeAlias
from uuid import UUID

from takaro_agent_client.calls import (
    MERGE_PATCH,
    Call,
    Listing,
    Method,
    Order,
    call,
    conditional,
    in_query,
    in_turn,
    path,
    reads,
)
from takaro_agent_client.models import KeptState, State, StateVersion

Id: TypeAlias = UUID | str


def get(id: Id, *, if_match: str | None = None) -> Call[State]:
    """A conversation's state, with its version. With ``if_match`` (:attr:`State.etag`), :class:`Conflict` for
    any other version."""
    return conditional(_get(id, State.model_validate), if_match=if_match)


def get_changed(id: Id, if_none_match: str) -> Call[State | None]:
    """The state, or ``None`` if it still has this :attr:`State.etag`."""
    found = _get(id, lambda data: None if data is None else State.model_validate(data))
    return conditional(found, if_none_match=if_none_match)


def patch(
    id: Id,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    turn_token: str | None = None,
) -> Call[State]:
    """Change the state by a JSON merge patch (RFC 7396).

    With a condition, :class:`Conflict` if another change came first: 409 for ``expected_version``, 412 for
    the headers. Such a call is not tried again when nobody knows whether it was carried out. While a turn
    runs, a change needs its ``turn_token``.
    """
    change = changed(_change(id, "PATCH", dict(changes), expected_version), media_type=MERGE_PATCH)
    return in_turn(conditional(change, if_match=if_match, if_none_match=if_none_match), turn_token)


def replace(
    id: Id,
    state: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    turn_token: str | None = None,
) -> Call[State]:
    """Replace the whole state. Conditions and ``turn_token`` as in :func:`patch`."""
    change = _change(id, "PUT", {"state": dict(state)}, expected_version)
    return in_turn(conditional(change, if_match=if_match, if_none_match=if_none_match), turn_token)


def versions(id: Id, *, order: Order | None = None) -> Listing[StateVersion]:
    """The versions that are kept, newest first, without the states."""
    where = path("conversations", id, "state", "versions")
    return Listing("chat", where, StateVersion.model_validate, query={"order": order})


def version(id: Id, version: int) -> Call[KeptState]:
    """The state as it was at a version."""
    where = path("conversations", id, "state", "versions", version)
    return call("chat", "GET", where, KeptState.model_validate)


def _get(id: Id, form: Callable[[Any], Any]) -> Call[Any]:
    return call("chat", "GET", path("conversations", id, "state"), form)


def _change(id: Id, method: Method, body: Any, expected_version: int | None) -> Call[State]:
    return Call(
        "chat",
        method,
        path("conversations", id, "state"),
        reads(State.model_validate),
        query=in_query({"expectedVersion": expected_version}),
        body=body,
        repeatable=expected_version is None,
    )

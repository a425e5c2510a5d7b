"""Turns: runtimes take them, work in them and end them; the owner of a conversation reads and stops them.

A runtime's credentials have the scope ``agent`` and name its agents.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict
from uuid import UUID

from takaro_agent_client.calls import (
    JSON_LINES,
    Call,
    EventSource,
    Listing,
    Method,
    Order,
    call,
    in_camel_case,
    in_turn,
    path,
    reads,
)
from takaro_agent_client.models import RenewedTurn, ShownPieces, TakenTurn, Turn
from takaro_agent_client.operations.messages import NewMessage
from takaro_agent_client.uploads import Body, JsonLines

Id: TypeAlias = UUID | str


class Awaiting(TypedDict):
    """What a turn asks a person."""

    tool: str
    input: Mapping[str, Any]


def take(
    conversation_id: Id, *, turn_id: Id | None = None, ttl_seconds: int | None = None
) -> Call[TakenTurn]:
    """Take the requested turn, or begin one. :class:`Conflict` while another one runs."""
    asked = {"turn_id": None if turn_id is None else str(turn_id), "ttl_seconds": ttl_seconds}
    return call("chat", "POST", _path(conversation_id), TakenTurn.model_validate, body=_given(asked))


def renew(
    conversation_id: Id,
    turn_id: Id,
    turn_token: str,
    *,
    ttl_seconds: int | None = None,
    awaiting: Awaiting | None = None,
) -> Call[RenewedTurn]:
    """Hold a turn for longer, or let it wait for a person. The answer says whether somebody has cancelled it,
    and what the person has answered."""
    body = _given({"ttl_seconds": ttl_seconds, "awaiting": awaiting})
    where = _path(conversation_id, turn_id)
    return in_turn(call("chat", "PUT", where, RenewedTurn.model_validate, body=body), turn_token)


def send_pieces(
    conversation_id: Id, turn_id: Id, turn_token: str, pieces: Sequence[Mapping[str, Any]] | Body
) -> Call[ShownPieces]:
    """Show what a turn has done so far: ``pieces``, each with its ``number`` and ``type``, or a body of JSON
    Lines that is sent as it grows; each line is shown as it arrives. Numbers that the service has are
    ignored; :class:`Conflict` for a gap."""
    body = pieces if isinstance(pieces, Body) else JsonLines(pieces)
    where = _path(conversation_id, turn_id, "chunks")
    read = reads(ShownPieces.model_validate)
    sent = Call("chat", "POST", where, read, media_type=JSON_LINES, keyed=False, upload=body)
    return in_turn(sent, turn_token)


def answer(conversation_id: Id, turn_id: Id, answer: Mapping[str, Any]) -> Call[Turn]:
    """Answer what a turn of one's own conversation waits for."""
    return _ends(conversation_id, turn_id, "answer", {"answer": dict(answer)})


def finish(
    conversation_id: Id,
    turn_id: Id,
    turn_token: str,
    *,
    messages: Sequence[NewMessage] = (),
    usage: Mapping[str, Any] | None = None,
) -> Call[Turn]:
    """End a turn whose work is done, with its last messages: all of it, or nothing."""
    body: dict[str, Any] = {"messages": [in_camel_case(message) for message in messages]}
    if usage is not None:
        body["usage"] = dict(usage)
    return in_turn(_ends(conversation_id, turn_id, "finish", body), turn_token)


def fail(conversation_id: Id, turn_id: Id, turn_token: str, error: str) -> Call[Turn]:
    """Give up a turn, and say why."""
    return in_turn(_ends(conversation_id, turn_id, "fail", {"error": error}), turn_token)


def cancel(conversation_id: Id, turn_id: Id) -> Call[Turn]:
    """Stop a turn: the stop button. Its runtime can change nothing from now on."""
    return _ends(conversation_id, turn_id, "cancel", None)


def listing(conversation_id: Id, *, order: Order | None = None) -> Listing[Turn]:
    """The turns of a conversation that are kept, newest first."""
    return Listing("chat", _path(conversation_id), Turn.model_validate, query={"order": order})


def get(conversation_id: Id, turn_id: Id) -> Call[Turn]:
    """A turn."""
    return call("chat", "GET", _path(conversation_id, turn_id), Turn.model_validate)


def stream(conversation_id: Id, turn_id: Id) -> EventSource:
    """What a turn shows, from its first piece: ``text``, ``tool_use``, ``tool_result``, and ``awaiting``
    while it waits for a person. The last event is ``done``, or ``error`` if it didn't finish."""
    where = _path(conversation_id, turn_id, "stream")
    return EventSource("chat", where, ends=frozenset({"done", "error"}))


def _ends(conversation_id: Id, turn_id: Id, how: str, body: Any) -> Call[Turn]:
    method: Method = "POST"
    return call("chat", method, _path(conversation_id, turn_id, how), Turn.model_validate, body=body)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return in_camel_case({name: value for name, value in values.items() if value is not None})


def _path(conversation_id: Id, *more: object) -> str:
    return path("conversations", conversation_id, "turns", *more)

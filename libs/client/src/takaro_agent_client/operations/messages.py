"""The messages of conversations."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict
from uuid import UUID, uuid4

from takaro_agent_client.calls import (
    Call,
    EventSource,
    Listing,
    Order,
    call,
    each,
    in_camel_case,
    in_turn,
    nothing,
    path,
)
from takaro_agent_client.models import Count, Feedback, FoundMessage, Message, Replacement

Id: TypeAlias = UUID | str
MOST = 1_000
"""Messages of one :func:`append`, at most."""


OnBusy: TypeAlias = Literal["queue", "interrupt", "reject"]
"""Wait for the next turn, cancel the one that runs, or :class:`Conflict`."""
Role: TypeAlias = Literal["user", "assistant", "system", "tool"]


class NewMessage(TypedDict):
    """A message of any role to append. ``id`` is the caller's own: sent again, it is stored once."""

    role: Role
    content: str
    id: NotRequired[str]
    tool_executions: NotRequired[Sequence[Any]]
    tool_results: NotRequired[Any]
    token_count: NotRequired[int]
    latency_ms: NotRequired[int]
    model: NotRequired[str]


def listing(conversation_id: Id, *, order: Order | None = None) -> Listing[Message]:
    """The messages of a conversation, oldest first."""
    return Listing("chat", _path(conversation_id), Message.model_validate, query={"order": order})


def count(conversation_id: Id) -> Call[Count]:
    """How many messages a conversation has."""
    return listing(conversation_id).count()


def post(
    conversation_id: Id, content: str, *, id: Id | None = None, on_busy: OnBusy | None = None
) -> Call[Message]:
    """Append a user's message. ``id`` is the caller's own: sent again, the same message is stored once.
    ``on_busy``: what it does while a turn runs."""
    body = {"content": content} | ({} if id is None else {"id": str(id)})
    body |= {} if on_busy is None else {"onBusy": on_busy}
    return call("chat", "POST", _path(conversation_id), Message.model_validate, body=body)


def ask(
    conversation_id: Id,
    content: str,
    *,
    id: Id | None = None,
    on_busy: OnBusy | None = None,
    idempotency_key: str | None = None,
) -> EventSource:
    """Append a user's message as :func:`post` does, and follow the turn that answers it, as
    :func:`turns.stream` does. Across broken connections the message is stored once, and each piece comes
    once.

    The last event is ``done``, or ``error`` if there is no answer: ``code`` is ``agent_not_served``,
    ``turn_not_taken``, ``turn_failed`` …
    """
    return EventSource(
        "chat",
        _path(conversation_id),
        ends=frozenset({"done", "error"}),
        passes=frozenset({"stopping", "unavailable"}),
        body=post(conversation_id, content, id=id, on_busy=on_busy).body,
        key=idempotency_key or str(uuid4()),
    )


def append(
    conversation_id: Id, messages: Sequence[NewMessage], *, turn_token: str | None = None
) -> Call[list[Message]]:
    """Append up to :data:`MOST` messages of any role, all or none of them. While a turn runs, others than
    users' need its ``turn_token``."""
    body = {"messages": [in_camel_case(message) for message in messages]}
    where = _path(conversation_id, "bulk")
    return in_turn(call("chat", "POST", where, each(Message), body=body), turn_token)


def replace(conversation_id: Id, message_id: Id, content: str | None = None) -> Call[Replacement]:
    """Edit the user's last message; without ``content``, have it answered again. What it replaces moves to
    another conversation, the ``branch``."""
    body = {} if content is None else {"content": content}
    return call(
        "chat", "POST", _path(conversation_id, message_id, "replace"), Replacement.model_validate, body=body
    )


def redact(conversation_id: Id, message_id: Id) -> Call[Message]:
    """Take away for good what a message says, with its tool records and feedback. Its place stays."""
    return call("chat", "POST", _path(conversation_id, message_id, "redact"), Message.model_validate)


def give_feedback(
    conversation_id: Id, message_id: Id, rating: Literal["up", "down"], *, note: str | None = None
) -> Call[Feedback]:
    """Rate an assistant's message, in place of what was given before."""
    body = {"rating": rating} | ({} if note is None else {"note": note})
    where = _path(conversation_id, message_id, "feedback")
    return call("chat", "PUT", where, Feedback.model_validate, body=body)


def remove_feedback(conversation_id: Id, message_id: Id) -> Call[None]:
    """Take feedback back."""
    return Call("chat", "DELETE", _path(conversation_id, message_id, "feedback"), nothing)


def search(q: str) -> Listing[FoundMessage]:
    """The caller's own messages that match, newest first: words that all must be there, ``"a phrase"``,
    ``or``, ``-without``."""
    return Listing("chat", path("messages", "search"), FoundMessage.model_validate, query={"q": q}, most=50)


def _path(conversation_id: Id, *more: object) -> str:
    return path("conversations", conversation_id, "messages", *more)

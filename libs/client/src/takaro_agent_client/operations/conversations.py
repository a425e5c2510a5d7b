"""Conversations, and their state."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from takaro_agent_client.calls import MERGE_PATCH, Call, Listing, call, nothing, path, reads
from takaro_agent_client.models import Conversation, State

Id = UUID | str


def listing(**filters: Any) -> Listing[Conversation]:
    """All of the caller's conversations, newest first; ``filters`` are the query of ``GET``."""
    return Listing("chat", path("conversations"), Conversation.model_validate, query=filters)


def create(agent_id: str, agent_version: str | None = None) -> Call[Conversation]:
    """Start a conversation with an agent: ``module-writer``, ``module-writer/grok-fast``, ``custom:<id>``."""
    body = {"agentId": agent_id} | ({"agentVersion": agent_version} if agent_version else {})
    return call("chat", "POST", path("conversations"), Conversation.model_validate, body=body)


def by_agent(agent_id: str, *, limit: int | None = None) -> Call[list[Conversation]]:
    """The caller's conversations with an agent, last active first: 5, or up to 20 with ``limit``."""
    where = path("conversations", "by-agent", agent_id)
    return call("chat", "GET", where, _conversations, query={"limit": limit})


def get(id: Id) -> Call[Conversation]:
    """One of the caller's conversations."""
    return call("chat", "GET", path("conversations", id), Conversation.model_validate)


def set_title(id: Id, title: str | None) -> Call[Conversation]:
    """Name a conversation; ``None`` removes the name."""
    return call(
        "chat", "PATCH", path("conversations", id), Conversation.model_validate, body={"title": title}
    )


def delete(id: Id) -> Call[None]:
    """Delete a conversation with its messages and cockpit sessions."""
    return Call("chat", "DELETE", path("conversations", id), nothing)


def state(id: Id) -> Call[State]:
    """A conversation's state, with its version."""
    return call("chat", "GET", path("conversations", id, "state"), State.model_validate)


def patch_state(id: Id, patch: Mapping[str, Any], *, expected_version: int | None = None) -> Call[State]:
    """Change the state by a JSON merge patch (RFC 7396). With ``expected_version``, :class:`Conflict` if
    another change came first; that call is not tried again when nobody knows whether it was carried out."""
    return Call(
        "chat",
        "PATCH",
        path("conversations", id, "state"),
        reads(State.model_validate),
        query={} if expected_version is None else {"expectedVersion": expected_version},
        body=dict(patch),
        media_type=MERGE_PATCH,
        repeatable=expected_version is None,
    )


def replace_state(
    id: Id, state: Mapping[str, Any] | None, *, expected_version: int | None = None
) -> Call[State]:
    """Replace the whole state; ``expected_version`` as in :func:`patch_state`."""
    return Call(
        "chat",
        "PUT",
        path("conversations", id, "state"),
        reads(State.model_validate),
        query={} if expected_version is None else {"expectedVersion": expected_version},
        body={"state": state},
        repeatable=expected_version is None,
    )


def _conversations(items: list[Any]) -> list[Conversation]:
    return [Conversation.model_validate(item) for item in items]

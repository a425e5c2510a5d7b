"""Conversations."""

from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict, Unpack
from uuid import UUID

from takaro_agent_client.calls import (
    Call,
    EventSource,
    Listing,
    Order,
    call,
    in_camel_case,
    in_query,
    nothing,
    path,
)
from takaro_agent_client.models import AgentOfConversation, Conversation, Count

Id: TypeAlias = UUID | str


class Filters(TypedDict, total=False):
    """Which conversations a list has. ``title``: a part of the title. ``…_to``: before this time."""

    agent_id: str
    agent_version: str
    provider: str
    title: str
    created_from: datetime
    created_to: datetime
    updated_from: datetime
    updated_to: datetime


def listing(*, order: Order | None = None, **filters: Unpack[Filters]) -> Listing[Conversation]:
    """The caller's conversations by creation, newest first."""
    query = {**in_camel_case(filters), "order": order}
    return Listing("chat", path("conversations"), Conversation.model_validate, query=query)


def count(**filters: Unpack[Filters]) -> Call[Count]:
    """How many conversations the caller has."""
    return listing(**filters).count()


def by_agent(agent_id: str, *, order: Order | None = None) -> Listing[Conversation]:
    """The caller's conversations with an agent, last active first; a bare id finds all its versions."""
    where = path("conversations", "by-agent", agent_id)
    return Listing("chat", where, Conversation.model_validate, query={"order": order}, most=20)


def create(agent_id: str, agent_version: str | None = None) -> Call[Conversation]:
    """Start a conversation with an agent: ``module-writer``, ``module-writer/grok-fast``, ``custom:<id>``.

    Without a version it has the agent's default experiment, or the newest version of a custom agent.
    """
    body: dict[str, Any] = {"agentId": agent_id} | ({"agentVersion": agent_version} if agent_version else {})
    return call("chat", "POST", path("conversations"), Conversation.model_validate, body=body)


def get(id: Id) -> Call[Conversation]:
    """One of the caller's conversations."""
    return call("chat", "GET", path("conversations", id), Conversation.model_validate)


def set_title(id: Id, title: str | None) -> Call[Conversation]:
    """Name a conversation; ``None`` removes the name."""
    where = path("conversations", id)
    return call("chat", "PATCH", where, Conversation.model_validate, body={"title": title})


def set_agent_version(id: Id, agent_version: str) -> Call[Conversation]:
    """Let a conversation go on with another version of its agent."""
    where = path("conversations", id)
    return call("chat", "PATCH", where, Conversation.model_validate, body={"agentVersion": agent_version})


def agent(id: Id) -> Call[AgentOfConversation]:
    """The custom agent of a conversation, as it is at the conversation's version; a deleted one too."""
    return call("chat", "GET", path("conversations", id, "agent"), AgentOfConversation.model_validate)


def delete(id: Id) -> Call[None]:
    """Delete a conversation with its messages and cockpit sessions."""
    return Call("chat", "DELETE", path("conversations", id), nothing)


def fork(id: Id, message_id: Id | None = None) -> Call[Conversation]:
    """Start a conversation with copies of the messages up to this one, or of all."""
    body = {} if message_id is None else {"messageId": str(message_id)}
    return call("chat", "POST", path("conversations", id, "fork"), Conversation.model_validate, body=body)


def events(id: Id, *, format: Literal["ag-ui"] | None = None) -> EventSource:
    """What happens in the conversation: ``connected``, then each fact under its type, as
    ``chat.message.appended.v1``. ``reset``: facts are missing, read the conversation again. ``end`` is the
    last one: it was deleted. ``format="ag-ui"``: in the AG-UI protocol's events, which have no name."""
    return EventSource("chat", path("conversations", id, "events"), in_query({"format": format}))

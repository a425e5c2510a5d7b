"""Handlers of the commands about conversations."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from backbone.handlers import BatchHandler, Command, Rejection
from chat.agents.records import AgentRef
from chat.agents.rules import Catalogue
from chat.announcements.resolving import list_announced, resolve_agent
from chat.announcements.served import ServedAgents
from chat.conversations import agent_versions, use_cases
from chat.conversations.records import NewConversation, TitleChange, VersionChange
from chat.conversations.rules import check_size
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import (
    AnnounceAgent,
    AnnounceTool,
    AppendMessage,
    CreateConversation,
    DeleteConversation,
    SetAgentVersion,
    SetTitle,
)

ABOUT_NONE = (CreateConversation, AnnounceAgent, AnnounceTool)
"""Commands about no conversation that is there."""


async def lock(connection: Connection, commands: Sequence[Command[Any]]) -> None:
    """Lock all conversations of a batch at once, in the order of their ids, before any handler runs.

    Appending alone needs no statement for it, unless it is about a turn: its own one does the same.
    """
    if all(isinstance(c.data, AppendMessage) and _needs_no_turn(c.data) for c in commands):
        return
    ids = [c.data.conversation_id for c in commands if not isinstance(c.data, ABOUT_NONE)]
    deletes = any(isinstance(command.data, DeleteConversation) for command in commands)
    await use_cases.lock_conversations(connection, ids, deletes=deletes)


def _needs_no_turn(data: AppendMessage) -> bool:
    return data.turn_token is None and data.on_busy is None


def creator(
    catalogue: Catalogue, served: ServedAgents, state_max_bytes: int
) -> BatchHandler[CreateConversation]:
    """A handler that creates conversations with the agents of ``catalogue`` or that are ``served``."""

    async def create(
        connection: Connection, commands: Sequence[Command[CreateConversation]]
    ) -> list[Rejection | None]:
        """Create the conversations of a batch; one without an id takes its command's key."""
        look = partial(list_announced, connection)
        news: list[NewConversation] = []
        outcomes: list[Rejection | None] = []
        places: list[int] = []
        for place, command in enumerate(commands):
            outcomes.append(None)
            try:
                check_size("state", command.data.state, state_max_bytes)
                check_size("metadata", command.data.metadata, state_max_bytes)
                name, version = command.data.agent_id, command.data.agent_version
                ref = await resolve_agent(catalogue, served, name, version, look)
                news.append(_new_conversation(command, ref))
                places.append(place)
            except PermanentError as error:
                outcomes[place] = Rejection.of(error)
        if news:
            created = await use_cases.create_conversations(connection, news)
            for place, outcome in zip(places, created, strict=True):
                outcomes[place] = _rejection(outcome)
        return outcomes

    return create


def _new_conversation(command: Command[CreateConversation], ref: AgentRef) -> NewConversation:
    data = command.data
    return NewConversation(
        data.id or command.key,
        ref.agent_id,
        ref.version,
        data.user_id,
        data.title,
        data.provider,
        data.metadata,
        data.state,
        command.trace,
    )


async def set_title(connection: Connection, commands: Sequence[Command[SetTitle]]) -> list[Rejection | None]:
    """Set the titles of a batch."""
    changes = [TitleChange(c.data.conversation_id, c.data.title, c.trace) for c in commands]
    return [_rejection(outcome) for outcome in await use_cases.set_titles(connection, changes)]


async def set_agent_version(connection: Connection, command: Command[SetAgentVersion]) -> None:
    """Let a conversation go on with another version of its agent."""
    data = command.data
    change = VersionChange(data.conversation_id, data.agent_version, command.trace)
    await agent_versions.set_agent_version(connection, change)


async def delete(
    connection: Connection, commands: Sequence[Command[DeleteConversation]]
) -> list[Rejection | None]:
    """Delete the conversations of a batch."""
    ids = [(c.data.conversation_id, c.trace) for c in commands]
    return [_rejection(outcome) for outcome in await use_cases.delete_conversations(connection, ids)]


def _rejection(outcome: object) -> Rejection | None:
    return Rejection.of(outcome) if isinstance(outcome, PermanentError) else None

"""What the services answer. Fields that this version doesn't know are kept in ``model_extra``."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """An answer: camelCase on the wire, snake_case here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class Conversation(Model):
    """A conversation. A list leaves out ``state`` and ``metadata`` of over 16 KB and sets ``…_omitted``."""

    id: UUID
    agent_id: str
    agent_version: str
    user_id: str | None
    title: str | None
    provider: str | None
    metadata: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    created_at: datetime | None
    updated_at: datetime | None
    metadata_omitted: bool = False
    state_omitted: bool = False


class State(Model):
    """A conversation's state; ``version`` grows by one with each change."""

    state: dict[str, Any] | None
    version: int


class Message(Model):
    """A message. ``sequence`` is its place in the conversation: 1, 2, 3 …"""

    id: UUID
    conversation_id: UUID
    role: str
    content: str
    token_count: int | None
    latency_ms: int | None
    created_at: datetime | None
    sequence: int
    model: str | None = None
    tool_executions: Any = None
    tool_results: Any = None


class CustomAgent(Model):
    """A custom agent. Conversations name it ``custom:<id>``."""

    id: UUID
    user_id: str
    name: str
    description: str | None
    system_prompt: str
    tools: list[str]
    knowledge_bases: list[str]
    model: str
    temperature: float | None
    max_tokens: int | None
    created_at: datetime | None
    updated_at: datetime | None


class KnowledgeBase(Model):
    """A knowledge base, as lists show it; asked for alone, it has more in ``model_extra``."""

    id: str
    name: str
    description: str
    version: str
    document_count: int
    last_commit_sha: str | None
    last_synced_at: datetime | None
    refresh_schedule: str | None
    source: str
    state: str
    last_error: str | None
    notices: list[Any] = Field(default_factory=list)


class Hit(Model):
    """A chunk that was found. ``score`` is its cosine similarity to the question."""

    content: str
    score: float
    metadata: dict[str, Any]


class SyncRequest(Model):
    """A sync that was asked for. ``job_id`` finds it in the history and in facts."""

    job_id: str
    status: Literal["queued"]


class Session(Model):
    """A cockpit session: the mock game server in which an agent's work is tried."""

    id: UUID
    conversation_id: UUID
    user_id: str
    mock_server_game_server_id: str | None
    mock_server_status: str
    selected_player_id: str | None
    created_at: datetime | None
    updated_at: datetime | None


class ServerStatus(Model):
    """The status of a session's mock game server."""

    status: str
    game_server_id: str | None
    player_count: int


class CommandResult(Model):
    """What the console answered; ``success`` is false if it refused the line."""

    result: str
    success: bool


class Player(Model):
    """A player of a session."""

    id: str
    name: str
    game_id: str
    online: bool


class Players(Model):
    """The players of a session's running server, and which of them is selected."""

    players: list[Player]
    selected_player_id: str | None

"""What an operator can set for chat, beyond what every service has."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from chat.agents.declared import Declared, KnownModel, KnownTool
from chat.agents.records import KnownAgent
from chat.agents.rules import Catalogue
from servicekit.settings import ServiceSettings

DEFAULT_AGENTS = {
    "module-writer": KnownAgent(
        default="grok-fast", experiments=["grok-fast", "gpt-oss", "concise", "with-docs"]
    ),
    "player-moderator": KnownAgent(default="default", experiments=["default"]),
}


AgentId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^/@]+$")]
"""An agent without a version."""


class ChatSettings(ServiceSettings):
    """Settings of the chat service (``CHAT_…`` overrides the shared name)."""

    service: ClassVar[str] = "chat"

    port: int = Field(3101, ge=0, le=65535, description="HTTP port")
    takaro_login_url: str | None = Field(
        None, pattern="^https?://[^ ]+$", description="where people sign in to Takaro: /login leads there"
    )
    agents: dict[str, KnownAgent] = Field(
        DEFAULT_AGENTS,
        min_length=1,
        description=(
            'agents by base id, as JSON: {"<id>": {"default": "<experiment>", "experiments": […], "name": '
            '"…", "model": "…", "description": "…"}}; runtimes announce others'
        ),
    )
    tools: list[KnownTool] = Field(
        [],
        max_length=1_000,
        description='tools that custom agents may have, as JSON: [{"name": "…", "description": "…"}]; '
        "runtimes announce others",
    )
    models: list[KnownModel] = Field(
        [],
        max_length=1_000,
        description='models that custom agents may have, as JSON: [{"id": "…", "name": "…", "provider": '
        '"…"}]; with those of announced agents; unset: any',
    )
    announced_agents_max: int = Field(
        1_000, ge=1, le=10_000, description="most agents that are announced at a time; each experiment counts"
    )
    announced_tools_max: int = Field(
        1_000, ge=1, le=10_000, description="most tools that are announced at a time"
    )
    announcement_max_bytes: int = Field(
        50_000, ge=1_000, le=1_000_000, description="largest announcement; bytes of JSON"
    )

    state_max_bytes: int = Field(
        1_000_000,
        ge=1_000,
        description="largest state, and largest metadata, of a conversation; bytes of JSON",
    )
    state_history_versions: int = Field(
        100, ge=1, le=1_000, description="newest versions that are kept of a conversation's state"
    )
    state_history_bytes: int = Field(
        10_000_000,
        ge=1_000,
        le=100_000_000,
        description="most that the kept versions of a conversation's state have together; bytes of JSON",
    )
    state_history_days: int = Field(
        365, ge=1, description="how long versions of states are kept; a state's newest version always is"
    )
    message_max_bytes: int = Field(
        4_000_000, ge=1_000, description="largest message: its content, toolCalls and toolResults together"
    )
    import_max_bytes: int = Field(
        256_000_000, ge=1_000, description="largest file of a conversation that is imported; kept in TMPDIR"
    )
    custom_agents_max: int = Field(100, ge=1, description="maximum custom agents of one user")
    custom_agent_max_bytes: int = Field(
        100_000, ge=1_000, description="largest custom agent, its prompt included; bytes of JSON"
    )
    custom_agent_versions: int = Field(
        100,
        ge=1,
        le=10_000,
        description="newest versions that are kept of a custom agent, beside those of conversations",
    )

    live_facts_bytes: int = Field(
        32_000_000,
        ge=1_000_000,
        description="memory for the newest facts, from which event streams get what they missed; bytes",
    )
    live_pieces_bytes: int = Field(
        32_000_000,
        ge=1_000_000,
        description="memory for the newest pieces of turns that are followed; bytes. Who reads more slowly "
        "gets them from Postgres",
    )

    usage_retention_days: int = Field(
        400, ge=62, description="how long usage is kept; longer than the month that a quota may count"
    )

    conversation_retention_days: int | None = Field(
        None,
        ge=1,
        description="days after their last activity for which conversations are kept; unset: for ever",
    )
    conversation_retention_by_agent: dict[AgentId, Annotated[int, Field(ge=1)] | None] = Field(
        {},
        max_length=1_000,
        description='the same by agent id, as JSON: {"<id>": days, "custom": days}; null: for ever',
    )
    conversation_retention_dry_run: bool = Field(
        False, description="only count (log, metric) the conversations that retention would delete"
    )

    turn_max_seconds: int = Field(
        3_600,
        ge=60,
        le=86_400,
        description="how long a runtime may hold a turn in all, however often renewed",
    )
    turn_wait_seconds: float = Field(
        300,
        gt=0,
        le=3_600,
        description="how long the stream of a user's message waits until a runtime takes its turn",
    )
    turn_retention_days: int = Field(
        30, ge=1, description="how long turns are kept after their end; a conversation's newest always is"
    )

    turn_piece_max_bytes: int = Field(
        256_000, ge=1_000, le=4_000_000, description="largest piece of what a turn shows; bytes of JSON"
    )
    turn_pieces_max_bytes: int = Field(
        4_000_000,
        ge=1_000,
        le=100_000_000,
        description="most that a turn shows in all; bytes of JSON, at most MESSAGE_MAX_BYTES",
    )
    turn_pieces_retention_hours: int = Field(
        24, ge=1, le=720, description="how long what a turn has shown can be replayed after its end"
    )

    def declared(self) -> Declared:
        """What is there whether or not a runtime announces it."""
        return Declared(self.agents, self.tools, self.models)

    def catalogue(self) -> Catalogue:
        """The agents that conversations can be created with."""
        return Catalogue(self.agents)

"""What chat answers about custom agents."""

from datetime import datetime
from uuid import UUID

from takaro_agent_client.models.model import Model


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

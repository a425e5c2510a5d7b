"""The agents that users make."""

from typing import Any
from uuid import UUID

from takaro_agent_client.calls import Call, Listing, call, nothing, path
from takaro_agent_client.models import CustomAgent


def listing() -> Listing[CustomAgent]:
    """All of the caller's custom agents, newest first."""
    return Listing("chat", path("custom-agents"), CustomAgent.model_validate)


def create(
    name: str, system_prompt: str, model: str, *, tools: list[str] | None = None, **more: Any
) -> Call[CustomAgent]:
    """Create an agent; ``more`` are further fields of the body, in camelCase."""
    body = {"name": name, "systemPrompt": system_prompt, "model": model, "tools": tools or [], **more}
    return call("chat", "POST", path("custom-agents"), CustomAgent.model_validate, body=body)


def get(id: UUID | str) -> Call[CustomAgent]:
    """One of the caller's custom agents."""
    return call("chat", "GET", path("custom-agents", id), CustomAgent.model_validate)


def update(id: UUID | str, **changes: Any) -> Call[CustomAgent]:
    """Change the fields that are given, in camelCase."""
    return call("chat", "PUT", path("custom-agents", id), CustomAgent.model_validate, body=changes)


def delete(id: UUID | str) -> Call[None]:
    """Delete an agent; the conversations with it stay."""
    return Call("chat", "DELETE", path("custom-agents", id), nothing)

"""What the settings ``AGENTS``, ``TOOLS`` and ``MODELS`` declare."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, Field

from chat.agents.records import KnownAgent

ToolName = Annotated[str, Field(min_length=1, max_length=100)]


class KnownTool(BaseModel):
    """A tool that custom agents may have."""

    name: ToolName
    description: str = Field("", max_length=10_000)


class KnownModel(BaseModel):
    """A model that custom agents may have. Unset, ``name`` is the id, and ``provider`` what stands before the
    id's slash."""

    id: str = Field(min_length=1, max_length=100)
    name: str | None = Field(None, min_length=1, max_length=100)
    provider: str | None = Field(None, min_length=1, max_length=50)


@dataclass(slots=True, frozen=True)
class Declared:
    """What is there whether or not it is announced."""

    agents: dict[str, KnownAgent] = field(default_factory=dict)
    tools: list[KnownTool] = field(default_factory=list)
    models: list[KnownModel] = field(default_factory=list)

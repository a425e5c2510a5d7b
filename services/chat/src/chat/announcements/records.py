"""Announcements as chat's own code handles them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Experiments: TypeAlias = Mapping[str, Sequence[str]]
"""The experiments that are announced of each agent, the default one first."""


@dataclass(slots=True, frozen=True)
class Limits:
    """The maximum numbers of announced ``agents`` (each experiment counts) and ``tools`` at a time, and the
    maximum bytes of an announcement as JSON."""

    agents: int
    tools: int
    announcement_bytes: int


@dataclass(slots=True, frozen=True)
class AnnouncedAgent:
    """An agent, in one of its experiments, or in ``EVERY_VERSION``. ``position`` is the experiment's
    place in the announcement."""

    agent_id: str
    experiment: str
    position: int
    model: str
    description: str


@dataclass(slots=True, frozen=True)
class AnnouncedTool:
    """A tool; ``parameters`` is the JSON Schema of its input."""

    name: str
    description: str
    parameters: Mapping[str, Any] | None


@dataclass(slots=True, frozen=True)
class Serving:
    """A runtime serves this experiment of the agent for the next ``seconds``."""

    agent_id: str
    experiment: str
    seconds: float

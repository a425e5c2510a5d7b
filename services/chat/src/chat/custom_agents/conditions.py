"""Refuses what a request doesn't want with the version that a custom agent has. No I/O."""

from chat.custom_agents.records import CustomAgent
from chat.custom_agents.wire import agent_json
from servicekit.conditions import Condition, refusal


def check_condition(condition: Condition, current: CustomAgent) -> None:
    """Raise :class:`servicekit.conditions.VersionConflict`, with the agent as it is, unless a change may be
    made."""
    if kind := refusal(condition, current.version):
        raise kind("agent", current.version, agent_json(current))

"""Handlers of announcements."""

from collections.abc import Sequence
from typing import TypeVar

from backbone.handlers import BatchHandler, Command, Rejection
from chat.agents.records import EVERY_VERSION
from chat.announcements import use_cases
from chat.announcements.records import AnnouncedAgent, AnnouncedTool, Limits
from chat.announcements.rules import check_size
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import AnnounceAgent, AnnounceTool

Announce = TypeVar("Announce", AnnounceAgent, AnnounceTool)


def announce_agents(limits: Limits) -> BatchHandler[AnnounceAgent]:
    """A handler that stores announcements of agents within ``limits``."""

    async def announce(
        connection: Connection, commands: Sequence[Command[AnnounceAgent]]
    ) -> list[Rejection | None]:
        outcomes, fitting = _fitting(commands, limits)
        announced = await use_cases.announce_agents(
            connection, [(_agents(c.data), c.data.ttl_seconds) for _, c in fitting], limits.agents
        )
        for (place, _), error in zip(fitting, announced, strict=True):
            outcomes[place] = Rejection.of(error) if error else None
        return outcomes

    return announce


def announce_tools(limits: Limits) -> BatchHandler[AnnounceTool]:
    """A handler that stores announcements of tools within ``limits``."""

    async def announce(
        connection: Connection, commands: Sequence[Command[AnnounceTool]]
    ) -> list[Rejection | None]:
        outcomes, fitting = _fitting(commands, limits)
        announced = await use_cases.announce_tools(
            connection, [(_tool(c.data), c.data.ttl_seconds) for _, c in fitting], limits.tools
        )
        for (place, _), error in zip(fitting, announced, strict=True):
            outcomes[place] = Rejection.of(error) if error else None
        return outcomes

    return announce


def _fitting(
    commands: Sequence[Command[Announce]], limits: Limits
) -> tuple[list[Rejection | None], list[tuple[int, Command[Announce]]]]:
    """A rejection for each announcement that is too large, and the others with their places."""
    outcomes: list[Rejection | None] = []
    fitting = []
    for place, command in enumerate(commands):
        try:
            check_size(len(command.event.data), limits.announcement_bytes)
        except PermanentError as error:
            outcomes.append(Rejection.of(error))
        else:
            outcomes.append(None)
            fitting.append((place, command))
    return outcomes, fitting


def _agents(data: AnnounceAgent) -> list[AnnouncedAgent]:
    experiments = dict.fromkeys(data.experiments or [EVERY_VERSION])
    return [
        AnnouncedAgent(data.agent_id, experiment, position, data.model, data.description)
        for position, experiment in enumerate(experiments)
    ]


def _tool(data: AnnounceTool) -> AnnouncedTool:
    return AnnouncedTool(data.name, data.description, data.parameters)

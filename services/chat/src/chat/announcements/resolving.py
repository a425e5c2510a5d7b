"""Finds the agent of a new conversation among those of ``AGENTS`` and those that are announced."""

from collections.abc import Awaitable, Callable

from chat.agents.records import AgentRef
from chat.agents.rules import UNKNOWN, Catalogue
from chat.announcements.records import Experiments
from chat.announcements.served import ServedAgents
from common.errors import Invalid
from common.postgres import Connection, Pool


async def resolve_agent(
    catalogue: Catalogue,
    served: ServedAgents,
    name: str,
    version: str | None,
    look: Callable[[], Awaitable[Experiments]],
) -> AgentRef:
    """As :meth:`Catalogue.resolve`. An agent that this process doesn't know may just have been announced:
    ``look`` reads what is announced now."""
    try:
        return catalogue.resolve(name, version, served.experiments())
    except Invalid as error:
        if error.code != UNKNOWN:
            raise
    return catalogue.resolve(name, version, await look())


async def list_announced(connection: Connection) -> Experiments:
    """What is announced now, for the connection's own transaction too."""
    found = ServedAgents()
    await found.look(connection)
    return found.experiments()


async def list_announced_in(pool: Pool) -> Experiments:
    """What is announced now."""
    async with pool.acquire() as connection:
        return await list_announced(connection)

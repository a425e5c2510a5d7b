"""What clients may choose from now."""

from chat.agents.declared import Declared, KnownModel
from chat.agents.records import OfferedAgent
from chat.agents.rules import offered
from chat.announcements import repository
from chat.offers.rules import offered_agent, offered_models, offered_tools
from common.postgres import Pool


async def list_agents(pool: Pool, declared: Declared) -> list[OfferedAgent]:
    """The agents that everybody may choose, each experiment by itself."""
    async with pool.acquire() as connection:
        announced = await repository.list_agents(connection)
    return offered(declared.agents, [offered_agent(each) for each in announced])


async def list_tools(pool: Pool, declared: Declared) -> dict[str, str]:
    """The descriptions of the tools that custom agents may have, by name."""
    async with pool.acquire() as connection:
        announced = await repository.list_tools(connection)
    return offered_tools(declared.tools, announced)


async def list_models(pool: Pool, declared: Declared) -> list[KnownModel]:
    """The models that custom agents may have: those of ``MODELS`` and those of announced agents."""
    async with pool.acquire() as connection:
        announced = await repository.list_models(connection)
    return offered_models(declared.models, announced)

"""What users do with the agents that they make. Each function is one transaction."""

from collections.abc import AsyncGenerator, Callable
from uuid import UUID

import asyncpg

from backbone import outbox
from chat.custom_agents import facts, repository
from chat.custom_agents.conditions import check_condition
from chat.custom_agents.names import check_names
from chat.custom_agents.records import AgentValues, CustomAgent, Limits, Position
from chat.custom_agents.rules import check_size, not_found, too_many
from common.errors import Conflict, Forbidden
from common.postgres import Pool, transaction, tried_again
from servicekit.conditions import ANY_VERSION, Condition
from servicekit.keysets import Page


def _name_taken() -> Conflict:
    return Conflict("An agent with this name already exists", code="name_taken")


PAGE_AGENTS = 10


async def list_agents(
    pool: Pool, user_id: str, page: Page[Position]
) -> AsyncGenerator[list[CustomAgent], None]:
    """A user's custom agents by creation, in pages, and one more than ``page`` wants. No connection is held
    between pages."""
    read = repository.list_newest if page.descending else repository.list_oldest
    after = page.after
    for size in page.sizes(PAGE_AGENTS):
        async with pool.acquire() as connection:
            found = await read(connection, user_id, after, size)
        if found:
            yield found
            after = position(found[-1])
        if len(found) < size:
            return


def position(agent: CustomAgent) -> Position:
    """The key of an agent in the list."""
    return agent.created_at, agent.id


async def count_agents(pool: Pool, user_id: str) -> int:
    """How many custom agents a user has: few."""
    async with pool.acquire() as connection:
        return await repository.count_agents(connection, user_id)


async def get_agent(pool: Pool, user_id: str, agent_id: UUID) -> CustomAgent:
    """One of the user's agents. Raises :class:`NotFound`, or :class:`Forbidden` for another user's."""
    async with pool.acquire() as connection:
        return _owned(await repository.get_agent(connection, agent_id), user_id)


@tried_again
async def create_agent(pool: Pool, user_id: str, values: AgentValues, limits: Limits) -> CustomAgent:
    """Create an agent.

    Raises :class:`Conflict` if the user has one of that name, or as many as allowed (concurrent creations can
    exceed that), :class:`common.errors.TooLarge`, and :class:`common.errors.Invalid` as :func:`check_names`.
    """
    check_size(values, limits.agent_bytes)
    async with transaction(pool) as connection:
        if await repository.count_agents(connection, user_id) >= limits.agents:
            raise too_many(limits.agents)
        await check_names(connection, limits.declared, user_id, values)
        agent = await repository.insert_agent(connection, user_id, values)
        if agent is None:
            raise _name_taken()
        await outbox.append(connection, [facts.created(agent)])
        return agent


@tried_again
async def update_agent(
    pool: Pool,
    user_id: str,
    agent_id: UUID,
    change: Callable[[AgentValues], AgentValues],
    limits: Limits,
    condition: Condition = ANY_VERSION,
) -> CustomAgent:
    """Change one of the user's agents; an adopted one that is too large may become smaller.

    Raises as :func:`get_agent` and :func:`create_agent`, and :class:`servicekit.conditions.VersionConflict`
    for an agent at another version than ``condition`` has.
    """
    try:
        async with transaction(pool) as connection:
            before = _owned(await repository.lock_agent(connection, agent_id), user_id)
            check_condition(condition, before)
            values = change(before.values)
            check_size(values, limits.agent_bytes, before=before.values)
            await check_names(connection, limits.declared, user_id, values, before.values)
            agent = await repository.update_agent(connection, agent_id, values)
            assert agent is not None, "its row is locked"
            await outbox.append(connection, [facts.updated(agent)])
            return agent
    except asyncpg.UniqueViolationError as error:
        raise _name_taken() from error


@tried_again
async def delete_agent(pool: Pool, user_id: str, agent_id: UUID) -> None:
    """Delete one of the user's agents; its conversations stay. Raises as :func:`get_agent`."""
    async with transaction(pool) as connection:
        _owned(await repository.lock_agent(connection, agent_id), user_id)
        last = await repository.delete_agent(connection, agent_id)
        assert last is not None, "its row is locked"
        await outbox.append(connection, [facts.deleted(agent_id, user_id, *last)])


def _owned(agent: CustomAgent | None, user_id: str) -> CustomAgent:
    if agent is None:
        raise not_found()
    if agent.user_id != user_id:
        raise Forbidden
    return agent

"""Checks what a custom agent names, where it is known which there are: tools, knowledge bases, its model."""

from chat.agents.declared import Declared
from chat.announcements import repository
from chat.custom_agents.records import AgentValues
from chat.custom_agents.rules import unknown_bases, unknown_model, unknown_tools
from chat.knowledge_bases.use_cases import find_visible
from common.postgres import Connection


async def check_names(
    connection: Connection,
    declared: Declared,
    user_id: str,
    values: AgentValues,
    before: AgentValues | None = None,
) -> None:
    """Raise :class:`Invalid` if ``values`` name a tool or a model that nobody declares or announces, or a
    knowledge base that the user can't see.

    Tools are checked once any is declared or announced, bases once chat was told of any, and models where
    ``MODELS`` is set: what agents are announced with are only some of the models that there are. What the
    agent had ``before`` may stay: its runtime may be away for a moment.
    """
    await _check_tools(connection, declared, values, before)
    await _check_bases(connection, user_id, values, before)
    await _check_model(connection, declared, values, before)


async def _check_tools(
    connection: Connection, declared: Declared, values: AgentValues, before: AgentValues | None
) -> None:
    had = set(before.tools) if before else set()
    if any(tool not in had for tool in values.tools):
        tools = {tool.name for tool in declared.tools} | await repository.list_tool_names(connection)
        unknown = [tool for tool in values.tools if tool not in had and tool not in tools]
        if tools and unknown:
            raise unknown_tools(unknown)


async def _check_bases(
    connection: Connection, user_id: str, values: AgentValues, before: AgentValues | None
) -> None:
    had = set(before.knowledge_bases) if before else set()
    if new := [base for base in values.knowledge_bases if base not in had]:
        found = await find_visible(connection, user_id, new)
        if found.any_told and (unknown := [base for base in new if base not in found.visible]):
            raise unknown_bases(unknown)


async def _check_model(
    connection: Connection, declared: Declared, values: AgentValues, before: AgentValues | None
) -> None:
    models = {model.id for model in declared.models}
    kept = before is not None and before.model == values.model
    if not models or kept or values.model in models:
        return
    if values.model not in await repository.list_models(connection):
        raise unknown_model(values.model)

"""Checks the tools and the model that a custom agent names, where it is known which there are."""

from chat.agents.declared import Declared
from chat.announcements import repository
from chat.custom_agents.records import AgentValues
from chat.custom_agents.rules import unknown_model, unknown_tools
from common.postgres import Connection


async def check_names(
    connection: Connection, declared: Declared, values: AgentValues, before: AgentValues | None = None
) -> None:
    """Raise :class:`Invalid` if ``values`` name a tool or a model that nobody declares or announces.

    Tools are checked once any is declared or announced, models where ``MODELS`` is set: what agents are
    announced with are only some of the models that there are. What the agent had ``before`` may stay: its
    runtime may be away for a moment.
    """
    had = set(before.tools) if before else set()
    if any(tool not in had for tool in values.tools):
        tools = {tool.name for tool in declared.tools} | await repository.list_tool_names(connection)
        unknown = [tool for tool in values.tools if tool not in had and tool not in tools]
        if tools and unknown:
            raise unknown_tools(unknown)
    models = {model.id for model in declared.models}
    kept = before is not None and before.model == values.model
    if not models or kept or values.model in models:
        return
    if values.model not in await repository.list_models(connection):
        raise unknown_model(values.model)

"""The composition root of chat."""

from fastapi import FastAPI

from backbone.handlers import Router
from chat.conversations import commands as conversation_commands
from chat.conversations.handlers import lock
from chat.conversations.routes import create_router as create_conversations_router
from chat.custom_agents.records import Limits
from chat.custom_agents.routes import create_router as create_agents_router
from chat.messages import commands as message_commands
from chat.messages.routes import create_router as create_messages_router
from chat.settings import ChatSettings
from chat.states import commands as state_commands
from chat.states.routes import create_router as create_states_router
from chat.usage.routes import router as usage
from chat.usage.use_cases import keep_usage
from contracts import chat as contracts
from servicekit.service import Resources, ServiceSpec, create_app

REQUIRED_REVISION = "030"


def build(settings: ChatSettings) -> FastAPI:
    """The chat service: HTTP, ``chat.commands`` in, ``chat.events`` out."""

    async def add_up_usage(resources: Resources) -> None:
        await keep_usage(resources.pool, settings.usage_retention_days)

    return create_app(
        ServiceSpec(
            settings=settings,
            title="Takaro chat",
            required_revision=REQUIRED_REVISION,
            routers=[
                create_conversations_router(settings.catalogue()),
                create_states_router(settings.state_max_bytes),
                create_messages_router(),
                create_agents_router(Limits(settings.custom_agents_max, settings.custom_agent_max_bytes)),
                usage,
            ],
            streams={contracts.COMMANDS_STREAM: create_command_router(settings)},
            resources=lambda shared: shared,
            facts_stream=contracts.FACTS_STREAM,
            facts=contracts.FACTS,
            background=[add_up_usage],
        )
    )


def create_command_router(settings: ChatSettings) -> Router:
    """Everything that chat takes from ``chat.commands``."""
    router = Router("chat", rejected=contracts.ChatCommandRejected, lock=lock)
    conversation_commands.register_commands(router, settings.catalogue(), settings.state_max_bytes)
    state_commands.register_commands(router, settings.state_max_bytes)
    message_commands.register_commands(router, settings.message_max_bytes)
    return router

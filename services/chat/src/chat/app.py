"""The composition root of chat."""

from fastapi import FastAPI

from chat.commands import create_command_router
from chat.conversations.routes import create_router as create_conversations_router
from chat.custom_agents.routes import router as custom_agents
from chat.messages.routes import router as messages
from chat.settings import ChatSettings
from contracts import chat as contracts
from servicekit.service import ServiceSpec, create_app

REQUIRED_REVISION = "021"


def build(settings: ChatSettings) -> FastAPI:
    """The chat service: HTTP, ``chat.commands`` in, ``chat.events`` out."""
    catalogue = settings.catalogue()
    return create_app(
        ServiceSpec(
            settings=settings,
            title="Takaro chat",
            required_revision=REQUIRED_REVISION,
            routers=[create_conversations_router(catalogue), messages, custom_agents],
            streams={contracts.COMMANDS_STREAM: create_command_router(catalogue)},
            resources=lambda shared: shared,
            facts_stream=contracts.FACTS_STREAM,
            facts=contracts.FACTS,
        )
    )

"""The composition root of cockpit."""

from fastapi import FastAPI

from cockpit.events.routes import router as events
from cockpit.servers.handlers import chat_facts, commands
from cockpit.servers.routes import router as servers
from cockpit.servers.simulation import drive
from cockpit.sessions.routes import router as sessions
from cockpit.settings import CockpitSettings
from contracts import chat, cockpit
from servicekit.service import Resources, ServiceSpec, create_app

REQUIRED_REVISION = "021"


def build(settings: CockpitSettings) -> FastAPI:
    """The cockpit service: HTTP, ``cockpit.commands`` and ``chat.events`` in, ``cockpit.events`` out."""

    async def drive_simulations(resources: Resources) -> None:
        await drive(resources, settings)

    return create_app(
        ServiceSpec(
            settings=settings,
            title="Takaro cockpit",
            required_revision=REQUIRED_REVISION,
            routers=[sessions, servers, events],
            streams={cockpit.COMMANDS_STREAM: commands(), chat.FACTS_STREAM: chat_facts()},
            resources=lambda shared: shared,
            facts_stream=cockpit.FACTS_STREAM,
            background=[drive_simulations],
            facts=cockpit.FACTS,
        )
    )

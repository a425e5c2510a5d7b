"""The composition root of cockpit."""

from functools import partial

from fastapi import FastAPI

from backbone.entry_store import open_entries
from backbone.handlers import Router
from cockpit.connector.holder import hold_connections
from cockpit.erasing.use_cases import create_erasing, create_sweep
from cockpit.events.routes import router as events
from cockpit.play.routes import create_router as create_play_router
from cockpit.players import commands as player_commands
from cockpit.players.routes import router as players
from cockpit.resources import CockpitResources, extend
from cockpit.servers import commands as server_commands
from cockpit.servers.handlers import lock, lock_deleted
from cockpit.servers.routes import router as servers
from cockpit.servers.simulation import drive
from cockpit.sessions.routes import router as sessions
from cockpit.settings import CockpitSettings
from cockpit.tokens.use_cases import Tokens
from contracts import chat, cockpit
from servicekit.service import ServiceSpec, create_app

REQUIRED_REVISION = "051"


def build(settings: CockpitSettings) -> FastAPI:
    """The cockpit service: HTTP, ``cockpit.commands`` and ``chat.events`` in, ``cockpit.events`` out."""

    tokens = Tokens(settings)

    async def drive_simulations(resources: CockpitResources) -> None:
        await drive(resources, settings)

    async def connect_servers(resources: CockpitResources) -> None:
        await hold_connections(resources, settings, partial(tokens.token_of, resources.pool))

    async def erase_users(resources: CockpitResources) -> None:
        async with open_entries(settings.event_bus_url) as entries:
            await create_erasing().run(
                resources.pool, settings.instance_name, settings.lease_ttl_seconds, create_sweep(entries)
            )

    return create_app(
        ServiceSpec(
            settings=settings,
            title="Takaro cockpit",
            required_revision=REQUIRED_REVISION,
            routers=[sessions, players, servers, events, create_play_router()],
            streams={
                cockpit.COMMANDS_STREAM: create_command_router(tokens),
                chat.FACTS_STREAM: create_chat_facts_router(),
            },
            resources=lambda shared: extend(shared, tokens),
            facts_stream=cockpit.FACTS_STREAM,
            sockets=True,
            background=[drive_simulations, connect_servers, erase_users],
            facts=cockpit.FACTS,
        )
    )


def create_command_router(tokens: Tokens) -> Router:
    """Everything that cockpit takes from ``cockpit.commands``."""
    router = Router("cockpit", rejected=cockpit.CockpitCommandRejected, lock=lock)
    server_commands.register_commands(router, tokens)
    player_commands.register_commands(router)
    return router


def create_chat_facts_router() -> Router:
    """Everything that cockpit takes from ``chat.events``."""
    router = Router("cockpit", lock=lock_deleted)
    server_commands.register_chat_facts(router)
    return router

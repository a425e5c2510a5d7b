"""The composition root of chat."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI

from backbone.entry_store import open_entries
from backbone.handlers import Command, Router
from backbone.tail import open_tail
from chat.announcements import commands as announcement_commands
from chat.announcements.records import Limits as AnnouncementLimits
from chat.announcements.served import ServedAgents
from chat.announcements.use_cases import remove_expired
from chat.conversations import commands as conversation_commands
from chat.conversations.handlers import lock as lock_conversations
from chat.conversations.routes import create_router as create_conversations_router
from chat.custom_agents.records import Limits
from chat.custom_agents.routes import create_router as create_agents_router
from chat.custom_agents.versions import remove_unused_versions
from chat.erasing.routes import router as erasing
from chat.erasing.use_cases import create_erasing, create_sweep
from chat.feedback.routes import router as feedback
from chat.forks.routes import create_router as create_forks_router
from chat.knowledge_bases import commands as base_commands
from chat.knowledge_bases.use_cases import forget_deleted
from chat.live.following import LiveFacts
from chat.live.routes import create_router as create_live_router
from chat.messages import commands as message_commands
from chat.messages.routes import create_router as create_messages_router
from chat.offers.routes import create_router as create_offers_router
from chat.pieces import commands as piece_commands
from chat.pieces.records import Limits as PieceLimits
from chat.pieces.routes import create_router as create_pieces_router
from chat.quotas.limited import LimitedUsers
from chat.quotas.routes import create_router as create_quotas_router
from chat.quotas.use_cases import lock_owners
from chat.redaction.routes import router as redaction
from chat.retention.records import Retention
from chat.retention.use_cases import keep_retention
from chat.runtimes.keeping import keep_turns
from chat.runtimes.records import Keeping
from chat.runtimes.records import Limits as TurnLimits
from chat.runtimes.routes import create_router as create_runtimes_router
from chat.search.indexing import index_messages
from chat.search.routes import router as search
from chat.settings import ChatSettings
from chat.sign_in.routes import create_router as create_sign_in_router
from chat.states import commands as state_commands
from chat.states.history import keep_versions
from chat.states.records import Limits as StateLimits
from chat.states.routes import create_router as create_states_router
from chat.transfers.records import ImportLimits
from chat.transfers.routes import create_router as create_transfers_router
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.routes import create_router as create_turn_streams_router
from chat.usage.routes import router as usage
from chat.usage.use_cases import keep_usage
from common.postgres import Connection
from contracts import chat as contracts
from contracts import knowledge
from servicekit.service import Resources, ServiceSpec, create_app

REQUIRED_REVISION = "042"


def build(settings: ChatSettings) -> FastAPI:
    """The chat service: HTTP, ``chat.commands``, ``chat.turns`` and ``knowledge.events`` in,
    ``chat.events`` out."""

    limited, served, declared = LimitedUsers(), ServedAgents(), settings.declared()
    live = LiveFacts(
        partial(open_tail, settings.event_bus_url, contracts.FACTS_STREAM), settings.live_facts_bytes
    )

    feed = TurnFeed(settings.live_pieces_bytes)

    async def follow_turns(resources: Resources) -> None:
        await feed.run(resources.pool, resources.notifications)

    async def follow_announcements(resources: Resources) -> None:
        await served.follow(resources.pool, resources.notifications)

    async def remove_expired_announcements(resources: Resources) -> None:
        await remove_expired(resources.pool)

    async def read_live_facts(resources: Resources) -> None:
        await live.run()

    async def follow_quotas(resources: Resources) -> None:
        await limited.follow(resources.pool, resources.notifications)

    async def remove_old_versions(resources: Resources) -> None:
        await keep_versions(resources.pool, settings.state_history_days)

    async def remove_unused_agent_versions(resources: Resources) -> None:
        await remove_unused_versions(resources.pool, settings.custom_agent_versions)

    async def forget_deleted_bases(resources: Resources) -> None:
        await forget_deleted(resources.pool)

    async def add_up_usage(resources: Resources) -> None:
        await keep_usage(resources.pool, settings.usage_retention_days)

    async def keep_to_retention(resources: Resources) -> None:
        await keep_retention(
            resources.pool,
            Retention(settings.conversation_retention_days, settings.conversation_retention_by_agent),
            settings.instance_name,
            settings.lease_ttl_seconds,
            dry_run=settings.conversation_retention_dry_run,
        )

    async def keep_to_time(resources: Resources) -> None:
        await keep_turns(
            resources.pool,
            Keeping(settings.turn_retention_days, settings.turn_pieces_retention_hours),
            settings.instance_name,
            settings.lease_ttl_seconds,
        )

    async def erase_users(resources: Resources) -> None:
        async with open_entries(settings.event_bus_url) as entries:
            await create_erasing().run(
                resources.pool, settings.instance_name, settings.lease_ttl_seconds, create_sweep(entries)
            )

    return create_app(
        ServiceSpec(
            settings=settings,
            title="Takaro chat",
            required_revision=REQUIRED_REVISION,
            routers=[
                create_sign_in_router(settings.auth_ways(), settings.takaro_login_url),
                create_conversations_router(settings.catalogue(), served),
                create_states_router(state_limits(settings)),
                create_messages_router(limited, served, feed, settings.turn_wait_seconds),
                create_transfers_router(
                    ImportLimits(state_limits(settings), settings.message_max_bytes),
                    settings.import_max_bytes,
                    limited,
                    served,
                ),
                create_live_router(live, feed),
                search,
                feedback,
                redaction,
                create_forks_router(limited, served),
                create_runtimes_router(
                    TurnLimits(settings.turn_max_seconds, settings.message_max_bytes), limited
                ),
                create_turn_streams_router(feed),
                create_pieces_router(piece_limits(settings), feed),
                create_offers_router(declared),
                create_agents_router(
                    Limits(settings.custom_agents_max, settings.custom_agent_max_bytes, declared)
                ),
                usage,
                create_quotas_router(limited),
                erasing,
            ],
            streams={
                contracts.COMMANDS_STREAM: create_command_router(settings, limited, served),
                contracts.TURNS_STREAM: create_turns_router(settings),
                knowledge.FACTS_STREAM: create_knowledge_facts_router(),
            },
            resources=lambda shared: shared,
            facts_stream=contracts.FACTS_STREAM,
            facts=contracts.FACTS,
            background=[
                add_up_usage,
                follow_quotas,
                follow_announcements,
                remove_expired_announcements,
                forget_deleted_bases,
                keep_to_retention,
                keep_to_time,
                erase_users,
                remove_old_versions,
                remove_unused_agent_versions,
                index_messages,
                read_live_facts,
                follow_turns,
            ],
        )
    )


def state_limits(settings: ChatSettings) -> StateLimits:
    """How large states and their histories may be."""
    return StateLimits(
        settings.state_max_bytes, settings.state_history_versions, settings.state_history_bytes
    )


def piece_limits(settings: ChatSettings) -> PieceLimits:
    """How much a turn may show. What is left of one that ends early becomes a message."""
    return PieceLimits(
        settings.turn_piece_max_bytes, min(settings.turn_pieces_max_bytes, settings.message_max_bytes)
    )


def create_turns_router(settings: ChatSettings) -> Router:
    """Everything that chat takes from ``chat.turns``."""
    router = Router("chat", rejected=contracts.ChatCommandRejected)
    piece_commands.register_commands(router, piece_limits(settings))
    return router


def create_command_router(
    settings: ChatSettings, limited: LimitedUsers | None = None, served: ServedAgents | None = None
) -> Router:
    """Everything that chat takes from ``chat.commands``. The quotas of ``limited`` users hold;
    conversations begin with agents of the settings or that are ``served``."""
    known = LimitedUsers() if limited is None else limited

    async def lock(connection: Connection, commands: Sequence[Command[Any]]) -> None:
        if not known.nobody():
            appends = [
                c.data.conversation_id for c in commands if isinstance(c.data, contracts.AppendMessage)
            ]
            await lock_owners(known, connection, appends)
        await lock_conversations(connection, commands)

    router = Router("chat", rejected=contracts.ChatCommandRejected, lock=lock)
    conversation_commands.register_commands(
        router, settings.catalogue(), served or ServedAgents(), settings.state_max_bytes
    )
    announcement_commands.register_commands(
        router,
        AnnouncementLimits(
            settings.announced_agents_max, settings.announced_tools_max, settings.announcement_max_bytes
        ),
    )
    state_commands.register_commands(router, state_limits(settings))
    message_commands.register_commands(router, settings.message_max_bytes, known, served)
    return router


def create_knowledge_facts_router() -> Router:
    """Everything that chat takes from ``knowledge.events``."""
    router = Router("chat")
    base_commands.register_facts(router)
    return router

"""The composition root of knowledge."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

import structlog
from fastapi import FastAPI

from backbone.entry_store import open_entries
from backbone.queued_jobs import open_queue
from common.readiness import NotReady
from contracts import knowledge as contracts
from knowledge.content.cache.use_cases import forget_embeddings
from knowledge.content.readiness import check_pgvector
from knowledge.content.vectors.keeper import IndexKeeper
from knowledge.content.vectors.keeper import Limits as IndexLimits
from knowledge.embeddings.providers import make_embedder, make_reranker
from knowledge.embeddings.questions import Questions
from knowledge.erasing.use_cases import create_erasing, create_sweep
from knowledge.history.routes import router as history
from knowledge.history.use_cases import forget_syncs
from knowledge.mcp.routes import create_router as create_mcp_router
from knowledge.mcp.server import KnowledgeMcp
from knowledge.queue.dispatcher import Dispatcher
from knowledge.queue.jobs import run_job
from knowledge.queue.worker import QueueWorker
from knowledge.readers.pool import Readers
from knowledge.reading.routes import router as reading
from knowledge.registry.registry_file import folders_of, read_registry_file
from knowledge.registry.routes import router as registry
from knowledge.registry.seeding import Seeding
from knowledge.registry.telling import keep_told
from knowledge.requests.commands import create_command_router
from knowledge.requests.routes import router as requests
from knowledge.resources import KnowledgeResources
from knowledge.schedules.reconciler import Reconciler
from knowledge.search.routes import router as search
from knowledge.settings import KnowledgeSettings
from knowledge.sources.github.access import GitHubAccess
from knowledge.sources.opening import Limits, Sources
from knowledge.sources.work_folder import remove_abandoned
from knowledge.sync.work import SyncDeps
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from knowledge.webhooks.routes import router as webhooks
from servicekit.service import Resources, ServiceSpec, create_app

log = structlog.get_logger()

REQUIRED_REVISION = "049"
FORGET_INTERVAL_SECONDS = 3600.0
CLEAN_INTERVAL_SECONDS = 3600.0


@dataclass(slots=True)
class Parts(KnowledgeResources):
    """The service's background work."""

    fetcher: Fetcher
    readers: Readers
    worker: QueueWorker
    seeding: Seeding = field(default_factory=Seeding)


def build(settings: KnowledgeSettings) -> FastAPI:
    """The knowledge service: HTTP, ``knowledge.commands`` and the queue ``kb-sync`` in, ``knowledge.events``
    out. Raises :class:`common.settings.WrongSetting` if the file of bases can't be used."""
    declared = read_registry_file(settings.knowledge_bases_file) if settings.knowledge_bases_file else []
    roots = (*settings.local_roots(), *folders_of(declared))
    access = Access(
        frozenset(settings.source_allowed()),
        (settings.github_api_url, settings.github_raw_url),
        settings.source_credentials_by_host(),
    )

    mcp = KnowledgeMcp(settings, version("takaro-knowledge"))

    def make_resources(shared: Resources) -> Parts:
        embedder = make_embedder(settings, shared.http)
        sources = _sources(settings, shared, roots, access)
        deps = SyncDeps(
            pool=shared.pool,
            embedder=embedder,
            sources=sources,
            instance=settings.instance_name,
            lease_ttl_seconds=settings.lease_ttl_seconds,
            downloads=settings.sync_downloads,
            max_chunks=settings.max_chunks_per_base,
        )
        worker = QueueWorker(
            settings.redis_url,
            partial(run_job, deps, jitter_seconds=settings.sync_jitter_seconds),
            concurrency=settings.sync_concurrency,
            grace_seconds=settings.shutdown_grace_seconds,
            lock_seconds=settings.sync_lock_seconds,
        )
        return Parts(
            shared.pool,
            shared.redis,
            shared.http,
            shared.notifications,
            settings=settings,
            embedder=embedder,
            questions=Questions(embedder, settings.search_questions_bytes),
            reranker=make_reranker(settings, shared.http),
            fetcher=sources.fetcher,
            readers=sources.readers,
            worker=worker,
        )

    async def seed_registry(resources: Parts) -> None:
        await resources.seeding.keep(resources.pool, declared, sync=settings.sync_at_start)

    async def work_queue(resources: Parts) -> None:
        try:
            await resources.worker.run()
        finally:
            await resources.embedder.close()
            await resources.fetcher.close()
            await resources.readers.close()

    async def dispatch_syncs(resources: Parts) -> None:
        await Dispatcher(resources.pool, settings.redis_url, resources.notifications).run()

    async def keep_schedules(resources: Parts) -> None:
        await Reconciler(
            resources.pool,
            settings.redis_url,
            resources.notifications,
            instance=settings.instance_name,
            lease_ttl_seconds=settings.lease_ttl_seconds,
            interval_seconds=settings.schedules_check_seconds,
        ).run()

    async def index_spaces(resources: Parts) -> None:
        await IndexKeeper(
            resources.pool,
            settings.database_url,
            IndexLimits(settings.search_exact_rows, settings.search_index_memory_bytes),
            instance=settings.instance_name,
            lease_ttl_seconds=settings.lease_ttl_seconds,
        ).run()

    async def forget_what_is_old(resources: Parts) -> None:
        while True:
            await asyncio.sleep(FORGET_INTERVAL_SECONDS)
            await forget_embeddings(resources.pool, timedelta(days=settings.embeddings_cache_days))
            if forgotten := await forget_syncs(resources.pool, timedelta(days=settings.sync_history_days)):
                log.info("old syncs deleted", syncs=forgotten)

    async def remove_abandoned_folders(_: Parts) -> None:
        while True:
            if removed := await asyncio.to_thread(remove_abandoned):
                log.info("folders of dead processes removed", folders=len(removed))
            await asyncio.sleep(CLEAN_INTERVAL_SECONDS)

    async def tell_of_bases(resources: Parts) -> None:
        await keep_told(resources.pool)

    async def serve_mcp(_: Parts) -> None:
        await mcp.run()

    async def erase_users(resources: Parts) -> None:
        async with open_entries(settings.event_bus_url) as entries, open_queue(settings.redis_url) as queue:
            sweep = create_sweep(entries, queue)
            instance, ttl_seconds = settings.instance_name, settings.lease_ttl_seconds
            await create_erasing().run(resources.pool, instance, ttl_seconds, sweep)

    return create_app(
        ServiceSpec(
            settings=settings,
            title="Takaro knowledge",
            required_revision=REQUIRED_REVISION,
            routers=[
                search,
                create_mcp_router(mcp),
                history,
                reading,
                webhooks,
                registry,
                requests,
            ],
            streams={contracts.COMMANDS_STREAM: create_command_router()},
            resources=make_resources,
            facts_stream=contracts.FACTS_STREAM,
            facts=contracts.FACTS,
            background=[
                seed_registry,
                work_queue,
                dispatch_syncs,
                keep_schedules,
                index_spaces,
                forget_what_is_old,
                remove_abandoned_folders,
                tell_of_bases,
                erase_users,
                serve_mcp,
            ],
            checks={
                "pgvector": _check_pgvector,
                "registry": _check_registry,
                "queue worker": _check_worker,
            },
        )
    )


async def _check_pgvector(resources: Parts) -> str:
    return await check_pgvector(resources.pool)


async def _check_registry(resources: Parts) -> str:
    if not await resources.seeding.is_done(resources.pool):
        raise NotReady("the registry is not yet in line with KNOWLEDGE_BASES_FILE")
    return "seeded"


async def _check_worker(resources: Parts) -> str:
    if not resources.worker.running:
        raise NotReady("the worker of kb-sync is not running: is Redis there?")
    return "running"


def _sources(
    settings: KnowledgeSettings, resources: Resources, roots: tuple[Path, ...], access: Access
) -> Sources:
    token = settings.github_token
    github = GitHubAccess(
        settings.github_api_url.rstrip("/"),
        settings.github_raw_url.rstrip("/"),
        token.get_secret_value() if token else None,
    )
    return Sources(
        fetcher=Fetcher(resources.http, access, Retries(settings.http_attempts, settings.http_retry_seconds)),
        github=github,
        local_roots=roots,
        limits=Limits(settings.source_max_file_bytes, settings.source_max_bytes, settings.sitemap_max_pages),
        readers=Readers(settings.reader_limits()),
    )

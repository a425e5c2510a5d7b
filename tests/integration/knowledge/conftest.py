"""A base over a real Git repository behind GitHub's API shape, synced by the use case itself."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from common.postgres import Pool, create_pool
from knowledge.bases.records import KnowledgeBase
from knowledge.embeddings import Vectors
from knowledge.embeddings.hashing import HashingEmbedder
from knowledge.jobs.wire import JobData
from knowledge.registry.registration import register_from_job
from knowledge.settings import KnowledgeSettings
from knowledge.sources.github.access import GitHubAccess
from knowledge.sources.opening import Limits, Sources
from knowledge.sync.progress import Progress
from knowledge.sync.records import SyncResult, SyncRun
from knowledge.sync.use_cases import sync_base
from knowledge.sync.work import SyncDeps
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from tests.support.github import FakeGitHub, GitRepository, serve_github
from tests.support.plain_http import NO_TLS


class CountingEmbedder(HashingEmbedder):
    """Counts the texts it embeds; ``failures`` of its next calls fail."""

    def __init__(self, model: str | None = None) -> None:
        self.model = model or HashingEmbedder.model
        self.texts = 0
        self.failures: list[Exception] = []

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        if self.failures:
            raise self.failures.pop(0)
        self.texts += len(texts)
        return await super().embed(texts, urgent=urgent)


class Harness:
    """Syncs bases in this process, so that a test can look at and break each part."""

    def __init__(
        self,
        pool: Pool,
        deps: SyncDeps,
        github: FakeGitHub,
        embedder: CountingEmbedder,
        http: httpx.AsyncClient,
    ) -> None:
        self.pool, self.deps, self.github, self.embedder, self.http = pool, deps, github, embedder, http

    @property
    def repository(self) -> GitRepository:
        return self.github.repository

    def base(self, base_id: str = "handbook", path: str = "docs", **more: Any) -> KnowledgeBase:
        data = {"knowledgeBaseId": base_id, "version": "latest", "source": self.github.source(path), **more}
        return JobData.model_validate(data).base()

    async def sync(
        self,
        base: KnowledgeBase | None = None,
        *,
        mode: Any = "incremental",
        deps: SyncDeps | None = None,
        confirm_removal: bool = False,
    ) -> SyncResult:
        """Sync ``base`` as a job of the Node application would."""
        base = await register_from_job(self.pool, base or self.base())
        run = SyncRun(uuid4(), base, mode, "job", "1", confirm_removal=confirm_removal)
        return await sync_base(deps or self.deps, run, _watch)

    async def content(self, base_id: str = "handbook") -> list[tuple[Any, ...]]:
        """The rows of a base, with the transaction that wrote each."""
        rows = await self.pool.fetch(
            "SELECT id, version, content, metadata::text, embedding::text, xmin::text "
            "FROM knowledge_embeddings "
            "WHERE knowledge_base_id = $1 ORDER BY metadata->>'sourceFile', metadata->>'chunkIndex', id",
            base_id,
        )
        return [tuple(row) for row in rows]

    async def text_of(self, path: str, base_id: str = "handbook") -> list[str]:
        rows = await self.pool.fetch(
            "SELECT content FROM knowledge_embeddings WHERE knowledge_base_id = $1 "
            "AND metadata->>'sourceFile' = $2 ORDER BY (metadata->>'chunkIndex')::int",
            base_id,
            path,
        )
        return [row["content"] for row in rows]

    async def commit_of(self, base_id: str = "handbook") -> str | None:
        commit: str | None = await self.pool.fetchval(
            "SELECT last_commit_sha FROM knowledge_sync_state WHERE knowledge_base_id = $1", base_id
        )
        return commit

    async def facts(self, base_id: str = "handbook") -> list[asyncpg.Record]:
        """The outbox of a base, in order; no relay empties it here."""
        return await self.pool.fetch(
            "SELECT type, sequence, data::jsonb AS data FROM outbox WHERE subject = $1 ORDER BY position",
            base_id,
        )

    def with_embedder(self, embedder: CountingEmbedder) -> SyncDeps:
        return replace(self.deps, embedder=embedder)


def reaching(
    harness: Harness, *hosts: str, limits: Limits | None = None, http: httpx.AsyncClient | None = None
) -> SyncDeps:
    """The harness's parts, with a fetcher that reaches ``hosts`` although they are on loopback."""
    fetcher = Fetcher(http or harness.http, Access(frozenset(hosts)), Retries(2, 0.001, 1))
    sources = replace(harness.deps.sources, fetcher=fetcher, limits=limits or Limits())
    return replace(harness.deps, sources=sources)


async def _watch(_: Progress) -> None:
    return None


@pytest.fixture
async def harness(database: str, tmp_path: Path) -> AsyncIterator[Harness]:
    repository = GitRepository(tmp_path / "repository")
    repository.write("docs/start.md", "# Start\n\nPress the green button to begin.")
    repository.write("docs/deep/levers.md", "# Levers\n\n" + "Every lever has a label of its own. " * 60)
    repository.write("docs-old/start.md", "Do not read this.")
    repository.commit()
    settings = KnowledgeSettings(database_url=database, auth_mode="dev", lease_ttl_seconds=3)
    embedder = CountingEmbedder()
    async with (
        serve_github(repository) as github,
        httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http,
        await create_pool(settings) as pool,
    ):
        access = GitHubAccess(github.api_url, github.raw_url)
        trusted = Access(trusted_urls=access.trusted_urls())
        fetcher = Fetcher(http, trusted, Retries(2, 0.001, 1))
        deps = SyncDeps(
            pool=pool,
            embedder=embedder,
            sources=Sources(fetcher, access, (tmp_path,)),
            instance="test",
            lease_ttl_seconds=3,
            downloads=4,
        )
        yield Harness(pool, deps, github, embedder, http)
        await fetcher.close()
        await deps.sources.readers.close()

"""A knowledge base for the sync benchmarks: a Git repository behind an imitation of GitHub's API, and an
embedder that knows its vectors beforehand, so that embedding takes no time."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

import httpx
import numpy as np

from benchmarks.world import TEXT, World
from common.postgres import create_pool
from knowledge.embeddings import Vectors
from knowledge.jobs.wire import JobData
from knowledge.registry.registration import register_from_job
from knowledge.settings import KnowledgeSettings
from knowledge.sources.github.access import GitHubAccess
from knowledge.sources.opening import Sources
from knowledge.sync.progress import Progress
from knowledge.sync.records import SyncResult, SyncRun
from knowledge.sync.use_cases import sync_base
from knowledge.sync.work import SyncDeps
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from tests.support.github import Answer, FakeGitHub, GitRepository, serve_github

CHUNKS_A_FILE = 8
"""As in the peer's rows."""


class KnownVectors:
    """Answers chunk ``i`` with row ``i`` of ``vectors``; chunks of a later edition get a vector near it."""

    model = "known-vectors"
    window = None
    batch_size = 64
    concurrency = 4

    def __init__(self) -> None:
        self.vectors: Vectors = np.zeros((0, 1536), dtype=np.float32)
        self.calls = 0

    async def embed(self, texts: Sequence[str], *, urgent: bool = False) -> Vectors:
        self.calls += 1
        return np.stack([self._vector(text.strip().lstrip("x")) for text in texts])

    def _vector(self, label: str) -> Vectors:
        number, _, edition = label.partition(" edition ")
        vector: Vectors = self.vectors[int(number)]
        if not edition:
            return vector
        noise = np.random.default_rng(int(number) * 1000 + int(edition)).random(1536, dtype=np.float32)
        neighbour: Vectors = vector + (noise - 0.5) * np.float32(0.02)
        return neighbour

    async def close(self) -> None:
        return None


class Handbook:
    """The base ``handbook`` and everything needed to sync it in this process."""

    def __init__(self, deps: SyncDeps, github: FakeGitHub, embedder: KnownVectors) -> None:
        self.deps, self.github, self.embedder = deps, github, embedder
        self._contents: dict[str, bytes] = {}
        github.fault = self._from_memory

    def write(self, files: Sequence[int], edition: int = 0) -> None:
        """Write and commit these files, each of eight numbered chunks."""
        suffix = f" edition {edition}" if edition else ""
        for file in files:
            numbers = range(file * CHUNKS_A_FILE, (file + 1) * CHUNKS_A_FILE)
            path, content = f"docs/f{file}.md", "\n\n".join(f"{TEXT}{i}{suffix}" for i in numbers)
            self._contents[path] = content.encode()
            self.github.repository.write(path, content)
        self.github.repository.commit()

    async def sync(self) -> SyncResult:
        """Sync as a job does. With overlap 0 and this size each paragraph is one chunk."""
        data = {
            "knowledgeBaseId": "handbook",
            "version": "latest",
            "source": self.github.source("docs"),
            "chunkSize": 630,
            "chunkOverlap": 0,
        }
        base = await register_from_job(self.deps.pool, JobData.model_validate(data).base())
        return await sync_base(self.deps, SyncRun(uuid4(), base, "incremental", "job", "1"), _watch)

    async def forget(self) -> None:
        """Empty all tables of the service, so that the next sync is a first sync."""
        await self.deps.pool.execute(EMPTY)
        await self.deps.pool.execute("CHECKPOINT")

    def calls(self) -> Counter[str]:
        """Calls so far, to GitHub by kind and to the embedder."""
        return self.github.calls + Counter(embedder=self.embedder.calls)

    def _from_memory(self, target: str) -> Answer | None:
        """File contents, without starting ``git`` for each, which would distort the benchmark."""
        path = unquote(target).partition("/raw/acme/handbook/")[2].partition("/")[2]
        if path not in self._contents:
            return None
        self.github.calls["raw"] += 1
        return Answer(200, self._contents[path])


EMPTY = (
    "TRUNCATE knowledge_embeddings, knowledge_embedding_cache, knowledge_sync_state, knowledge_bases, "
    "knowledge_indexes, knowledge_files, knowledge_syncs, outbox"
)


@asynccontextmanager
async def handbook(world: World, folder: Path) -> AsyncIterator[Handbook]:
    """A :class:`Handbook` whose repository lies in ``folder``."""
    settings = KnowledgeSettings(database_url=world.postgres.url, auth_mode="dev")
    embedder = KnownVectors()
    async with (
        serve_github(GitRepository(folder), keep_alive=True) as github,
        httpx.AsyncClient(trust_env=False) as http,
        await create_pool(settings) as pool,
    ):
        access = GitHubAccess(github.api_url, github.raw_url)
        fetcher = Fetcher(http, Access(trusted_urls=access.trusted_urls()), Retries(2, 0.01, 1))
        deps = SyncDeps(
            pool=pool,
            embedder=embedder,
            sources=Sources(fetcher, access, ()),
            instance="bench",
            lease_ttl_seconds=settings.lease_ttl_seconds,
            downloads=settings.sync_downloads,
        )
        yield Handbook(deps, github, embedder)
        await fetcher.close()
        await deps.sources.readers.close()


async def _watch(_: Progress) -> None:
    return None

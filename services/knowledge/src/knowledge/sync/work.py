"""What one run of a sync works with."""

from dataclasses import dataclass

from common.postgres import Pool
from knowledge.bases.records import KnowledgeBase
from knowledge.content.indexes.records import Index
from knowledge.content.records import Stored
from knowledge.embeddings import Embedder
from knowledge.sources import Source
from knowledge.sources.opening import Sources
from knowledge.sync.records import SyncRun


@dataclass(slots=True, frozen=True)
class SyncDeps:
    """What a sync needs from the composition root. ``max_chunks``: of a base."""

    pool: Pool
    embedder: Embedder
    sources: Sources
    instance: str
    lease_ttl_seconds: float
    downloads: int
    max_chunks: int = 200_000


@dataclass(slots=True, frozen=True)
class Work:
    """A run with an open source: ``stored`` is the stored content, ``wanted`` is what it should be made with,
    from the source at ``commit``."""

    deps: SyncDeps
    run: SyncRun
    source: Source
    commit: str
    wanted: Index
    stored: Stored

    @property
    def base(self) -> KnowledgeBase:
        return self.run.base

    @property
    def max_file_bytes(self) -> int:
        """Maximum bytes of one file."""
        return self.deps.sources.limits.file_bytes

    @property
    def everything(self) -> bool:
        """Whether each file is read, even unchanged ones."""
        return self.run.mode == "full" or not self.stored.is_made_with(self.wanted.fingerprint)

    @property
    def may_use_rows(self) -> bool:
        """Whether texts may be taken from the stored rows: they have the wanted fingerprint and
        definition."""
        index = self.stored.index
        return not self.everything and index is not None and index.definition == self.wanted.definition

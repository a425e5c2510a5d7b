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
    """What a sync needs from the composition root."""

    pool: Pool
    embedder: Embedder
    sources: Sources
    instance: str
    lease_ttl_seconds: float
    downloads: int


@dataclass(slots=True, frozen=True)
class Work:
    """A run over an open source: ``stored`` is in place, ``wanted`` is what it is to be made with, from the
    source at ``commit``."""

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
        return self.deps.sources.limits.file_bytes

    @property
    def everything(self) -> bool:
        """Whether each file is read, also those that are as they were."""
        return self.run.mode == "full" or not self.stored.is_made_with(self.wanted.fingerprint)

    @property
    def may_use_rows(self) -> bool:
        """Whether texts may be taken from the rows in place: they are of the wanted making and definition."""
        index = self.stored.index
        return not self.everything and index is not None and index.definition == self.wanted.definition

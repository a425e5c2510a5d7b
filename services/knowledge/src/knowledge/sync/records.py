"""What a sync has to do, and what it did."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from contracts.knowledge import SyncMode, SyncType
from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks.records import Chunk
from knowledge.content.files.records import FileState
from knowledge.requests.records import Reason
from knowledge.sources import Findings


@dataclass(slots=True, frozen=True)
class SyncRun:
    """One run of a sync; ``id`` is the row in ``knowledge_syncs``. ``attempt`` is its number for its job;
    ``covers`` are syncs that it also stands for: they were requested before it began."""

    id: UUID
    base: KnowledgeBase
    mode: SyncMode
    reason: Reason
    job_id: str
    confirm_removal: bool = False
    attempt: int = 1
    covers: Sequence[UUID] = ()


@dataclass(slots=True)
class Plan:
    """The state that one transaction writes: all ``files``, but only new ``chunks``."""

    files: dict[str, FileState] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    added: int = 0
    modified: int = 0
    removed: int = 0

    def wanted(self) -> set[UUID]:
        """The ids of all rows that belong to it."""
        return {chunk_id for file in self.files.values() for chunk_id in file.chunk_ids}

    def failures(self) -> list[FileState]:
        """The files that could not be read, or not be embedded."""
        return [file for file in self.files.values() if file.outcome == "failed"]


@dataclass(slots=True, frozen=True)
class SyncResult:
    """What a sync did. The counts are files, and chunks written, deleted, or moved within their file;
    ``versions_removed`` were made by another model. ``findings`` are its source's, if this sync asked it."""

    type: SyncType
    sha: str
    added: int = 0
    modified: int = 0
    removed: int = 0
    chunks_created: int = 0
    chunks_removed: int = 0
    chunks_moved: int = 0
    versions_removed: tuple[str, ...] = ()
    findings: Findings | None = field(default=None, compare=False)

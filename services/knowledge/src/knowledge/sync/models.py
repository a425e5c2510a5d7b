"""What a sync works with. Plain data."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from uuid import UUID

from common.contracts.knowledge import SyncMode, SyncType

Reason: TypeAlias = Literal["http", "command", "startup", "job"]
Outcome: TypeAlias = Literal["indexed", "empty", "unsupported", "failed"]
"""``unsupported``: the content is no text, and would be refused again. ``failed``: it wasn't fetched."""


@dataclass(slots=True, frozen=True)
class SyncRequest:
    """A row of ``knowledge_syncs`` that is yet to be enqueued."""

    id: UUID
    knowledge_base_id: str
    mode: SyncMode
    reason: Reason
    job_id: str
    traceparent: str | None


@dataclass(slots=True, frozen=True)
class Index:
    """What the rows of one version of a base were made with. ``commit`` is set once all files were read."""

    model: str
    fingerprint: str
    definition: str
    commit: str | None
    chunk_count: int


@dataclass(slots=True, frozen=True)
class FileState:
    """What is known of a file: the content it was last read from and the rows which that became."""

    path: str
    content_sha: str
    outcome: Outcome
    reason: str | None
    chunk_ids: tuple[UUID, ...]


@dataclass(slots=True, frozen=True)
class Chunk:
    """One row to be. ``id`` is derived from everything in the row, ``content_hash`` is SHA-256."""

    id: UUID
    path: str
    index: int
    total: int
    content: str
    content_hash: bytes


@dataclass(slots=True)
class Plan:
    """The state that one transaction is to bring about: ``files`` all of them, ``chunks`` only new ones."""

    files: dict[str, FileState] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    added: int = 0
    modified: int = 0
    removed: int = 0

    def wanted(self) -> set[UUID]:
        return {chunk_id for file in self.files.values() for chunk_id in file.chunk_ids}

    def failures(self) -> list[FileState]:
        return [file for file in self.files.values() if file.outcome == "failed"]


@dataclass(slots=True, frozen=True)
class SyncResult:
    """What a sync did. Counts are files, and chunks written or deleted."""

    type: SyncType
    sha: str
    added: int = 0
    modified: int = 0
    removed: int = 0
    chunks_created: int = 0
    chunks_removed: int = 0

    def to_job_result(self) -> dict[str, object]:
        """The value that the Node application reads from the finished job."""
        if self.type == "skipped":
            return {"type": self.type, "sha": self.sha}
        return {
            "type": self.type,
            "sha": self.sha,
            "added": self.added,
            "modified": self.modified,
            "removed": self.removed,
            "chunksCreated": self.chunks_created,
        }

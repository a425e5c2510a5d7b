"""What a sync works with. Plain data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from common.json_time import json_time
from common.trace_context import TraceContext
from contracts.knowledge import SyncMode, SyncType

Reason: TypeAlias = Literal["http", "command", "startup", "job", "registry", "schedule", "webhook"]
"""What asked for a sync. ``registry``: a definition that is new or was changed."""
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
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None

    @property
    def trace(self) -> TraceContext | None:
        """The context of whoever asked."""
        return TraceContext.of(self.traceparent, self.tracestate, self.baggage)


@dataclass(slots=True, frozen=True)
class SyncRecord:
    """A row of ``knowledge_syncs``, as its history shows it."""

    id: UUID
    job_id: str
    status: str
    mode: SyncMode
    reason: Reason
    result: dict[str, Any] | None
    error: str | None
    files: dict[str, Any] | None
    progress: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """``commit`` and the counts are ``null`` until there is a result; ``files`` are those that changed or
        have no content, ``filesOmitted`` how many more there were."""
        result, files = self.result or {}, self.files or {}
        counts = ("added", "modified", "removed", "chunksCreated", "chunksRemoved", "chunksMoved")
        done = self.result is not None
        return {
            "id": self.id,
            "jobId": self.job_id,
            "state": self.status,
            "mode": self.mode,
            "trigger": self.reason,
            "type": result.get("type"),
            "commit": result.get("sha"),
            **{name: result.get(name, 0) if done else None for name in counts},
            "versionsRemoved": result.get("versionsRemoved", []),
            "error": self.error,
            "files": files.get("files", []),
            "filesOmitted": files.get("omitted", 0),
            "progress": self.progress,
            "createdAt": json_time(self.created_at),
            "startedAt": json_time(self.started_at),
            "finishedAt": json_time(self.finished_at),
        }


@dataclass(slots=True, frozen=True)
class Index:
    """What the rows of one version of a base were made with. ``commit`` is set once all files were read."""

    model: str
    fingerprint: str
    definition: str
    commit: str | None
    chunk_count: int


@dataclass(slots=True, frozen=True)
class StoredVersion:
    """A version of a base that has rows, or an index without any. ``model`` is ``None`` where another program
    wrote the rows, and nothing tells what made them."""

    version: str
    model: str | None


@dataclass(slots=True, frozen=True)
class FileState:
    """What is known of a file: the content it was last read from and the rows which that became."""

    path: str
    content_sha: str
    outcome: Outcome
    reason: str | None
    chunk_ids: tuple[UUID, ...]


ContentKey: TypeAlias = tuple[str, str]
"""A content's hash and the format that it is read as: two files that share it have the same text."""


@dataclass(slots=True, frozen=True)
class Content:
    """What a content comes to, in whatever file it is: its chunks' texts, or why it has none."""

    outcome: Outcome
    reason: str | None
    texts: Sequence[str]


@dataclass(slots=True, frozen=True)
class Chunk:
    """One row to be. ``id`` is derived from all in the row but its place in the file, ``content_hash`` is
    SHA-256."""

    id: UUID
    path: str
    index: int
    total: int
    content: str
    content_hash: bytes


def metadata_of(path: str, index: int, total: int) -> dict[str, Any]:
    """A row's metadata, as the Node application reads and writes it."""
    return {"sourceFile": path, "chunkIndex": index, "totalChunks": total}


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
    """What a sync did. Counts are files, and chunks written, deleted, or put in another place of their file;
    ``versions_removed`` were of another model."""

    type: SyncType
    sha: str
    added: int = 0
    modified: int = 0
    removed: int = 0
    chunks_created: int = 0
    chunks_removed: int = 0
    chunks_moved: int = 0
    versions_removed: tuple[str, ...] = ()

    @classmethod
    def of_job_result(cls, value: Any) -> "SyncResult | None":
        """What a finished job's value says; ``None`` when that is no sync's."""
        if not isinstance(value, dict) or value.get("type") not in get_args(SyncType):
            return None
        if not isinstance(value.get("sha"), str):
            return None
        names = {
            "added": "added",
            "modified": "modified",
            "removed": "removed",
            "chunks_created": "chunksCreated",
        }
        counts = {field: value.get(name, 0) for field, name in names.items()}
        if not all(isinstance(count, int) for count in counts.values()):
            return None
        return cls(value["type"], value["sha"], **counts)

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

    def to_record(self) -> dict[str, object]:
        """What the sync's history keeps."""
        return {
            **self.to_job_result(),
            "chunksRemoved": self.chunks_removed,
            "chunksMoved": self.chunks_moved,
            "versionsRemoved": self.versions_removed,
        }

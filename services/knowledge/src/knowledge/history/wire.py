"""JSON of the history of syncs."""

from typing import Any, Literal
from uuid import UUID

from typing_extensions import TypedDict

from common.json_time import json_time
from contracts.knowledge import SyncMode
from knowledge.history.records import SyncRecord
from knowledge.requests.records import Reason
from servicekit.forms import Time


class SyncedFileJson(TypedDict):
    """What a sync did with a file. ``reason``: why it has no content."""

    path: str
    change: Literal["added", "modified", "removed"] | None
    outcome: str
    reason: str | None


class ProgressJson(TypedDict):
    """How far a sync is. ``rate``: chunks or rows a second in this phase, ``secondsLeft`` of it."""

    phase: str
    filesRead: int
    filesToRead: int
    chunksEmbedded: int
    tokens: int
    rowsWritten: int
    rowsToWrite: int
    rate: float
    secondsLeft: float | None


class SyncJson(TypedDict):
    """A sync of a base. ``commit`` and the counts are ``null`` until there is a result. ``coveredBy``: the
    sync whose run this one's outcome is, if it needed none of its own."""

    id: UUID
    jobId: str
    state: str
    mode: SyncMode
    trigger: Reason
    type: str | None
    commit: str | None
    added: int | None
    modified: int | None
    removed: int | None
    chunksCreated: int | None
    chunksRemoved: int | None
    chunksMoved: int | None
    versionsRemoved: list[str]
    coveredBy: UUID | None
    error: str | None
    files: list[SyncedFileJson]
    filesOmitted: int
    notices: list[str]
    progress: ProgressJson | None
    createdAt: Time
    startedAt: Time | None
    finishedAt: Time | None


def sync_json(sync: SyncRecord) -> SyncJson:
    """A sync as the history shows it.

    ``commit`` and the counts are ``null`` until there is a result. ``files`` are those that changed or have
    no content, ``filesOmitted`` the number left out.
    """
    result, files = sync.result or {}, sync.files or {}

    def count(name: str) -> int | None:
        return result.get(name, 0) if "sha" in result else None

    progress: Any = sync.progress
    return {
        "id": sync.id,
        "jobId": sync.job_id,
        "state": sync.status,
        "mode": sync.mode,
        "trigger": sync.reason,
        "type": result.get("type"),
        "notices": result.get("notices", []),
        "commit": result.get("sha"),
        "added": count("added"),
        "modified": count("modified"),
        "removed": count("removed"),
        "chunksCreated": count("chunksCreated"),
        "chunksRemoved": count("chunksRemoved"),
        "chunksMoved": count("chunksMoved"),
        "versionsRemoved": result.get("versionsRemoved", []),
        "coveredBy": result.get("coveredBy"),
        "error": sync.error,
        "files": files.get("files", []),
        "filesOmitted": files.get("omitted", 0),
        "progress": progress,
        "createdAt": json_time(sync.created_at),
        "startedAt": json_time(sync.started_at),
        "finishedAt": json_time(sync.finished_at),
    }

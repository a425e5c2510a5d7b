"""JSON of the history of syncs."""

from typing import Any

from common.json_time import json_time
from knowledge.history.records import SyncRecord


def sync_json(sync: SyncRecord) -> dict[str, Any]:
    """A sync as the history shows it.

    ``commit`` and the counts are ``null`` until there is a result. ``files`` are those that changed or have
    no content, ``filesOmitted`` the number left out.
    """
    result, files = sync.result or {}, sync.files or {}
    counts = ("added", "modified", "removed", "chunksCreated", "chunksRemoved", "chunksMoved")
    done = sync.result is not None
    return {
        "id": sync.id,
        "jobId": sync.job_id,
        "state": sync.status,
        "mode": sync.mode,
        "trigger": sync.reason,
        "type": result.get("type"),
        "notices": result.get("notices", []),
        "commit": result.get("sha"),
        **{name: result.get(name, 0) if done else None for name in counts},
        "versionsRemoved": result.get("versionsRemoved", []),
        "error": sync.error,
        "files": files.get("files", []),
        "filesOmitted": files.get("omitted", 0),
        "progress": sync.progress,
        "createdAt": json_time(sync.created_at),
        "startedAt": json_time(sync.started_at),
        "finishedAt": json_time(sync.finished_at),
    }

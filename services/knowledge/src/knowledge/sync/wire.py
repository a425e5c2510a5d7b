"""JSON of what a sync did: the job's result, which the Node application reads too, and the history's."""

from dataclasses import replace
from typing import Any, get_args

from contracts.knowledge import SyncType
from knowledge.sources import Findings
from knowledge.sync.records import SyncResult

_COUNTS = {"added": "added", "modified": "modified", "removed": "removed", "chunks_created": "chunksCreated"}
"""Fields of a result that jobs have, and their names there."""


def parse_job_result(value: Any) -> SyncResult | None:
    """The result in a finished job's value; ``None`` if the value isn't a sync's."""
    if not isinstance(value, dict) or value.get("type") not in get_args(SyncType):
        return None
    if not isinstance(value.get("sha"), str):
        return None
    counts = {field: value.get(name, 0) for field, name in _COUNTS.items()}
    if not all(isinstance(count, int) for count in counts.values()):
        return None
    return SyncResult(value["type"], value["sha"], **counts)


def result_of_history(value: Any) -> SyncResult | None:
    """The result that the history keeps, of a sync that completed."""
    result = parse_job_result(value)
    return result and replace(
        result,
        chunks_removed=value.get("chunksRemoved", 0),
        chunks_moved=value.get("chunksMoved", 0),
        versions_removed=tuple(value.get("versionsRemoved", ())),
    )


def job_result_of(result: SyncResult) -> dict[str, object]:
    """The value that the Node application reads from the finished job."""
    shown: dict[str, object] = {"type": result.type, "sha": result.sha}
    if result.type != "skipped":
        shown |= {name: getattr(result, field) for field, name in _COUNTS.items()}
    return shown


def findings_json(source: str, findings: Findings | None) -> dict[str, object]:
    """What the history keeps of a ``source``; the registry and webhooks look there for it."""
    if findings is None:
        return {}
    found = findings.repository
    repository = {"name": found.name, "id": found.id} if found else None
    return {"source": source, "notices": findings.notices, "repository": repository}


def history_of(result: SyncResult) -> dict[str, object]:
    """What the sync's history keeps."""
    return {
        **job_result_of(result),
        "chunksRemoved": result.chunks_removed,
        "chunksMoved": result.chunks_moved,
        "versionsRemoved": result.versions_removed,
    }

"""The facts that a sync publishes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from contracts.knowledge import SyncCompleted, SyncFailed, SyncProgressed, SyncStarted
from knowledge.bases.records import KnowledgeBase
from knowledge.sync.records import SyncResult, SyncRun


def started(run: SyncRun) -> SyncStarted:
    """A sync started, perhaps not for the first time."""
    return SyncStarted(knowledge_base_id=run.base.id, sync_id=run.id, version=run.base.version, mode=run.mode)


def progressed(sync_id: UUID, base_id: str, progress: Mapping[str, Any]) -> SyncProgressed:
    """A sync's progress; ``progress`` as :meth:`knowledge.sync.progress.Progress.to_json` shows it."""
    return SyncProgressed.model_validate({"knowledgeBaseId": base_id, "syncId": sync_id, **progress})


def completed(sync_id: UUID, base: KnowledgeBase, result: SyncResult) -> SyncCompleted:
    """A sync succeeded; the base equals its source."""
    return SyncCompleted(
        knowledge_base_id=base.id,
        sync_id=sync_id,
        version=base.version,
        sync_type=result.type,
        sha=result.sha,
        added=result.added,
        modified=result.modified,
        removed=result.removed,
        chunks_created=result.chunks_created,
        chunks_removed=result.chunks_removed,
        chunks_moved=result.chunks_moved,
        versions_removed=list(result.versions_removed),
    )


def failed(sync_id: UUID, base_id: str, reason: str, paths: Sequence[str] = ()) -> SyncFailed:
    """A sync failed; ``paths`` are the first files that could not be read, or not be embedded."""
    return SyncFailed(knowledge_base_id=base_id, sync_id=sync_id, reason=reason, failed_files=list(paths))

"""Show a sync's outcome to readers: one transaction, from the old rows of a base to the new ones."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from backbone import outbox
from backbone.leases import Lease
from common.postgres import Connection, Pool, transaction
from contracts import Contract
from contracts.knowledge import FACTS_STREAM, SyncCompleted, SyncFailed
from knowledge.bases import repository as bases
from knowledge.bases.records import KnowledgeBase
from knowledge.content import repository as content_repository
from knowledge.content.binary_codecs import register_binary
from knowledge.content.chunks import repository as chunk_repository
from knowledge.content.files import repository as file_repository
from knowledge.content.files.records import FileState
from knowledge.content.indexes import repository as index_repository
from knowledge.content.indexes.records import Index
from knowledge.content.versions import repository as version_repository
from knowledge.content.versions import rules as version_rules
from knowledge.sync import repository, rules
from knowledge.sync.copying import copy_new
from knowledge.sync.progress import Progress
from knowledge.sync.records import Plan, SyncResult
from knowledge.sync.report import report_of
from knowledge.sync.reporting import Reporter
from knowledge.sync.wire import history_of

TRANSACTION_SECONDS = 3600.0


@dataclass(slots=True, frozen=True)
class Change:
    """The plan to apply, and what it was made from. ``index.commit`` is the new commit, or ``None`` when
    some files failed: then the old one stays recorded."""

    base: KnowledgeBase
    plan: Plan
    known: dict[str, FileState]
    index: Index
    old_commit: str | None
    result: SyncResult


async def apply(
    pool: Pool, lease: Lease, sync_id: UUID, change: Change, report: Reporter, progress: Progress
) -> SyncResult:
    """Bring the base's rows, its state and the sync's outcome about at once. Raises ``LeaseLost``.

    Only rows that differ are written: the HNSW index makes each of them cost milliseconds.
    """
    base, plan = change.base, change.plan
    async with pool.acquire() as prepared:
        await register_binary(prepared)
        async with prepared.transaction():
            await content_repository.set_statement_timeout(prepared, TRANSACTION_SECONDS)
            await content_repository.lock_base(prepared, base.id)
            await lease.hold(prepared)
            wanted = plan.wanted()
            existing = await chunk_repository.list_chunk_ids(prepared, base.id, base.version)
            obsolete = existing - wanted
            backend = await chunk_repository.get_backend(prepared)
            async with report.meanwhile(progress, backend):
                if obsolete:
                    await chunk_repository.delete_chunks(prepared, obsolete, TRANSACTION_SECONDS)
                created = await copy_new(
                    prepared,
                    base.id,
                    base.version,
                    change.index.model,
                    plan.chunks,
                    existing,
                    TRANSACTION_SECONDS,
                    progress,
                )
            count = len(existing) - len(obsolete) + created
            if count != len(wanted):
                raise RuntimeError(f"{len(wanted)} chunks were planned, but {count} would be in place")
            moved = rules.moved_chunks(plan, change.known, existing)
            chunks_moved = (
                await chunk_repository.update_metadata(prepared, moved, TRANSACTION_SECONDS) if moved else 0
            )
            await _record_state(prepared, change, count)
            versions, removed = await _remove_versions_of_other_models(prepared, change)
            result = replace(
                change.result,
                chunks_created=created,
                chunks_removed=len(obsolete) + removed,
                chunks_moved=chunks_moved,
                versions_removed=tuple(versions),
            )
            await _record_outcome(prepared, sync_id, change, result, progress)
    return result


async def finish_unchanged(
    pool: Pool, lease: Lease, sync_id: UUID, base: KnowledgeBase, result: SyncResult
) -> None:
    """Record a sync that had nothing to write, or was done by somebody else. Raises ``LeaseLost``."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await repository.update_finished(connection, sync_id, result=history_of(result), error=None)
        await _tell(connection, base.id, _completed(sync_id, base, result))


async def finish_failed(
    pool: Pool,
    lease: Lease,
    sync_id: UUID,
    base_id: str,
    reason: str,
    files: Mapping[str, Any] | None = None,
) -> None:
    """Record a sync that changed nothing; ``files`` say which it could not read. Raises ``LeaseLost``."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await repository.update_finished(connection, sync_id, result=None, error=reason, files=files)
        await _tell(
            connection,
            base_id,
            SyncFailed(knowledge_base_id=base_id, sync_id=sync_id, reason=reason, failed_files=[]),
        )


async def put_back(pool: Pool, lease: Lease, sync_id: UUID, reason: str) -> None:
    """Record that a sync waits, for ``reason``, to be run again. Raises ``LeaseLost``."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await repository.update_waiting(connection, sync_id, reason)


def failure_of(plan: Plan) -> str:
    """What a person reads when files could not be fetched."""
    failures = plan.failures()
    first = failures[0]
    return (
        f"{len(failures)} of {len(plan.files)} files could not be read; their old content is kept and the "
        f"commit is not advanced. First: {first.path}: {first.reason}"
    )


async def _record_state(connection: Connection, change: Change, count: int) -> None:
    base, plan = change.base, change.plan
    index = replace(change.index, chunk_count=count, commit=change.index.commit or change.old_commit)
    await index_repository.upsert_index(connection, base.id, base.version, index)
    gone = [path for path in change.known if path not in plan.files]
    if gone:
        await file_repository.delete_files(connection, base.id, base.version, gone)
    changed = [file for path, file in plan.files.items() if change.known.get(path) != file]
    if changed:
        await file_repository.upsert_files(connection, base.id, base.version, changed)
    if change.index.commit:
        await index_repository.upsert_sync_state(connection, base.id, change.index.commit)


async def _remove_versions_of_other_models(connection: Connection, change: Change) -> tuple[list[str], int]:
    """These versions, and how many rows they had.

    Nobody can search them with the model that now serves the base, and the Node application, which asks for
    no version, would find their rows among the new ones. What was paid for stays in the cache.
    """
    base = change.base
    stored = await version_repository.list_versions(connection, base.id)
    versions = version_rules.of_other_models(stored, base.version, change.index.model)
    if not versions:
        return [], 0
    removed = await version_repository.delete_chunks_of_versions(
        connection, base.id, versions, TRANSACTION_SECONDS
    )
    await version_repository.delete_indexes(connection, base.id, versions)
    return versions, removed


async def _record_outcome(
    connection: Connection, sync_id: UUID, change: Change, result: SyncResult, progress: Progress
) -> None:
    base, failures = change.base, change.plan.failures()
    files = report_of(change.plan, change.known)
    record = history_of(result)
    reason = failure_of(change.plan) if failures else None
    await repository.update_finished(
        connection, sync_id, result=record, error=reason, files=files, progress=progress.to_json()
    )
    if reason is None:
        await _tell(connection, base.id, _completed(sync_id, base, result))
        return
    fact = SyncFailed(
        knowledge_base_id=base.id,
        sync_id=sync_id,
        reason=reason,
        failed_files=[file.path for file in failures[:100]],
    )
    await _tell(connection, base.id, fact)


def _completed(sync_id: UUID, base: KnowledgeBase, result: SyncResult) -> SyncCompleted:
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


async def _tell(connection: Connection, base_id: str, fact: Contract) -> None:
    sequence = await bases.update_sequence(connection, base_id)
    await outbox.append(connection, [outbox.Fact(FACTS_STREAM, base_id, sequence, fact)])

"""Shows a sync's outcome to readers: one transaction, from the old rows of a base to the new ones."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from backbone.leases import Lease
from common.postgres import Connection, Pool, transaction, tried_again
from knowledge.bases import facts as base_facts
from knowledge.bases import repository as bases
from knowledge.bases.records import KnowledgeBase
from knowledge.content import repository as content_repository
from knowledge.content.binary_codecs import register_binary
from knowledge.content.chunks import repository as chunk_repository
from knowledge.content.files import repository as file_repository
from knowledge.content.indexes import repository as index_repository
from knowledge.content.indexes.records import Index
from knowledge.content.records import Stored
from knowledge.content.versions import repository as version_repository
from knowledge.content.versions import rules as version_rules
from knowledge.sync import facts, repository, rules
from knowledge.sync.copying import copy_chunks
from knowledge.sync.progress import Progress
from knowledge.sync.records import Plan, SyncResult
from knowledge.sync.report import report_of
from knowledge.sync.reporting import Reporter
from knowledge.sync.wire import findings_json, history_of

TRANSACTION_SECONDS = 3600.0
MOST_PATHS = 100
"""Maximum files that the fact of a failure names."""


@dataclass(slots=True, frozen=True)
class Change:
    """The plan to apply, and what it was made from. ``index.commit`` is the new commit, or ``None`` if some
    files failed: then the old one stays recorded."""

    base: KnowledgeBase
    plan: Plan
    stored: Stored
    index: Index
    result: SyncResult
    permanent: bool = False


@tried_again
async def apply(
    pool: Pool, lease: Lease, sync_id: UUID, change: Change, report: Reporter, progress: Progress
) -> SyncResult:
    """Write the base's rows, its state and the sync's outcome in one transaction. Raises ``LeaseLost``.

    Only rows that differ are written, because each costs milliseconds in the HNSW index.
    """
    base, plan = change.base, change.plan
    async with transaction(pool) as connection:
        await register_binary(connection)
        await content_repository.set_statement_timeout(connection, TRANSACTION_SECONDS)
        await content_repository.lock_base(connection, base.id)
        await lease.hold(connection)
        wanted = plan.wanted()
        existing = await chunk_repository.list_chunk_ids(connection, base.id, base.version)
        obsolete = existing - wanted
        fresh = [chunk for chunk in plan.chunks if chunk.id not in existing]
        backend = await chunk_repository.get_backend(connection)
        async with report.meanwhile(progress, backend):
            if obsolete:
                await chunk_repository.delete_chunks(connection, obsolete, TRANSACTION_SECONDS)
            await copy_chunks(connection, base, change.index.model, fresh, progress, TRANSACTION_SECONDS)
        count = len(existing) - len(obsolete) + len(fresh)
        if count != len(wanted):
            raise RuntimeError(f"{len(wanted)} chunks were planned, but {count} would be in place")
        moved = rules.moved_chunks(plan, change.stored.files, existing)
        chunks_moved = (
            await chunk_repository.update_places(connection, moved, TRANSACTION_SECONDS) if moved else 0
        )
        await _record_state(connection, change, count)
        versions, removed = await _remove_versions_of_other_models(connection, change)
        result = replace(
            change.result,
            chunks_created=len(fresh),
            chunks_removed=len(obsolete) + removed,
            chunks_moved=chunks_moved,
            versions_removed=tuple(versions),
        )
        await _record_outcome(connection, sync_id, change, result, progress)
    return result


@tried_again
async def finish_unchanged(
    pool: Pool, lease: Lease, sync_id: UUID, base: KnowledgeBase, result: SyncResult
) -> None:
    """Record a sync that had nothing to write, or that another program did. Raises ``LeaseLost``."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        sequence = await bases.update_sequence(connection, base.id)
        await repository.update_finished(connection, sync_id, result=_record_of(base, result), error=None)
        await base_facts.append(connection, base.id, facts.completed(sync_id, base, result), sequence)


@tried_again
async def finish_failed(
    pool: Pool,
    lease: Lease,
    sync_id: UUID,
    base_id: str,
    reason: str,
    files: Mapping[str, Any] | None = None,
    *,
    permanent: bool = False,
) -> None:
    """Record a sync that changed nothing; ``files`` say which it could not read. ``permanent``: it would
    fail again. Raises ``LeaseLost``."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        sequence = await bases.update_sequence(connection, base_id)
        await repository.update_finished(
            connection, sync_id, result=None, error=reason, files=files, permanent=permanent
        )
        await base_facts.append(connection, base_id, facts.failed(sync_id, base_id, reason), sequence)


@tried_again
async def put_back(pool: Pool, lease: Lease, sync_id: UUID, reason: str) -> None:
    """Record that a sync waits, for ``reason``, to run again. Raises ``LeaseLost``."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await repository.update_waiting(connection, sync_id, reason)


def failure_of(plan: Plan) -> str:
    """The message for people if files could not be fetched."""
    failures = plan.failures()
    first = failures[0]
    return (
        f"{len(failures)} of {len(plan.files)} files could not be read or embedded; their old content is "
        f"kept and the commit is not advanced. First: {first.path}: {first.reason}"
    )


def _record_of(base: KnowledgeBase, result: SyncResult) -> dict[str, object]:
    return history_of(result) | findings_json(base.source, result.findings)


async def _record_state(connection: Connection, change: Change, count: int) -> None:
    base, plan = change.base, change.plan
    before = change.stored.index
    commit = change.index.commit or (before.commit if before else None)
    index = replace(change.index, chunk_count=count, commit=commit)
    await index_repository.upsert_index(connection, base.id, base.version, index)
    gone = [path for path in change.stored.files if path not in plan.files]
    if gone:
        await file_repository.delete_files(connection, base.id, base.version, gone)
    changed = [file for path, file in plan.files.items() if change.stored.files.get(path) != file]
    if changed:
        await file_repository.upsert_files(connection, base.id, base.version, changed)
    if change.index.commit:
        await index_repository.upsert_sync_state(connection, base.id, change.index.commit)


async def _remove_versions_of_other_models(connection: Connection, change: Change) -> tuple[list[str], int]:
    """Delete these versions. Returns them with their numbers of rows.

    The model that now serves the base can't search them. The Node application, which requests no version,
    would find their rows among the new ones. The embeddings stay in the cache.
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
    files = report_of(change.plan, change.stored.files)
    record = _record_of(base, result)
    reason = failure_of(change.plan) if failures else None
    sequence = await bases.update_sequence(connection, base.id)
    await repository.update_finished(
        connection,
        sync_id,
        result=record,
        error=reason,
        files=files,
        progress=progress.to_json(),
        permanent=change.permanent,
    )
    if reason is None:
        await base_facts.append(connection, base.id, facts.completed(sync_id, base, result), sequence)
        return
    paths = [file.path for file in failures[:MOST_PATHS]]
    await base_facts.append(connection, base.id, facts.failed(sync_id, base.id, reason, paths), sequence)

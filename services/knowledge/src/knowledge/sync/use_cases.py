"""Sync one knowledge base with its source."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from backbone import outbox
from backbone.leases import Lease, LeaseLost
from common import trace_context
from common.errors import NotFound, TakaroError, TransientError
from common.postgres import Pool, transaction
from common.telemetry import tracer
from contracts.knowledge import FACTS_STREAM, SyncMode, SyncStarted
from knowledge.bases import repository as bases
from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks import repository as chunk_repository
from knowledge.content.files import repository as file_repository
from knowledge.content.files import rules as file_rules
from knowledge.content.indexes import repository as index_repository
from knowledge.content.indexes import rules as index_rules
from knowledge.content.indexes.records import Index
from knowledge.content.lease import SyncLease, hold_base
from knowledge.content.versions import repository as version_repository
from knowledge.content.versions import rules as version_rules
from knowledge.embeddings import Embedder
from knowledge.requests.records import Reason
from knowledge.sources import Source
from knowledge.sources.opening import Sources
from knowledge.sync import applying, metrics, repository, rules
from knowledge.sync.reading import Reader
from knowledge.sync.records import SyncResult
from knowledge.sync.report import report_of
from knowledge.sync.reporting import Reporter, Watch
from knowledge.sync.rows_in_place import read_from_rows
from knowledge.sync.wire import history_of
from knowledge.waiting import slots
from knowledge.waiting.later import Later
from knowledge.waiting.slots import SiteSilent

log = structlog.get_logger()


class FilesUnreadable(TransientError):
    """Some files could not be fetched. What could be read is in place, unless rows of another model are; the
    commit has not advanced. The sync's outcome is recorded. ``later``: when to come back, if known."""

    default_code = "files_unreadable"

    def __init__(self, reason: str, later: Later | None = None) -> None:
        super().__init__(reason)
        self.later = later


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
class SyncRun:
    """One run of a sync: ``id`` is the row in ``knowledge_syncs``."""

    id: UUID
    base: KnowledgeBase
    mode: SyncMode
    reason: Reason
    job_id: str


async def sync_base(deps: SyncDeps, run: SyncRun, watch: Watch) -> SyncResult:
    """Bring the rows of ``run.base`` in line with its source, all at once for readers.

    Raises :class:`BaseBusy` while another sync of the base runs (nothing was recorded then), ``Later`` when
    its source or the embedder is to be left alone for a while (it is recorded as waiting), ``LeaseLost``
    when another one has taken over (its outcome stands, and this one changes nothing any more), ``NotFound``
    when the base was deleted, :class:`FilesUnreadable`, and what source and embedder raise; a failure that
    changed nothing is recorded.
    """
    owner = f"{deps.instance}/{uuid4()}"
    await _admit(deps, run)
    async with hold_base(deps.pool, run.base.id, owner, deps.lease_ttl_seconds) as held:
        await _start(deps.pool, held.lease, run)
        try:
            return await held.run(_sync(deps, run, held, watch))
        except FilesUnreadable as error:
            if error.later is None:
                raise
            waits = f"{error.later.reason} ({error.reason})"
            await applying.put_back(deps.pool, held.lease, run.id, waits)
            raise error.later from error
        except Later as later:
            await applying.put_back(deps.pool, held.lease, run.id, later.reason)
            raise
        except LeaseLost as error:
            await _check_exists(deps.pool, run.base, error)
            raise
        except Exception as error:
            reason = error.reason if isinstance(error, TakaroError) else repr(error)
            await applying.finish_failed(deps.pool, held.lease, run.id, run.base.id, reason)
            raise


async def _admit(deps: SyncDeps, run: SyncRun) -> None:
    """Raises ``SiteSilent`` while too many syncs wait for the base's source, before anything is begun."""
    try:
        deps.sources.admit(run.base.source)
    except SiteSilent as later:
        async with deps.pool.acquire() as connection:
            await repository.update_waiting_reason(connection, run.id, later.reason)
        raise


async def _check_exists(pool: Pool, base: KnowledgeBase, error: LeaseLost) -> None:
    """A deletion takes the lease away too. Raises ``NotFound`` after one: nobody will take this sync up."""
    async with pool.acquire() as connection:
        if await bases.get_base(connection, base.id) is None:
            raise NotFound("The knowledge base was deleted", code="knowledge_base_deleted") from error


async def _sync(deps: SyncDeps, run: SyncRun, held: SyncLease, watch: Watch) -> SyncResult:
    async with deps.sources.open(run.base.source, rules.selection_of(run.base)) as source:
        return await _sync_from(source, deps, run, held, watch)


async def _sync_from(
    source: Source, deps: SyncDeps, run: SyncRun, held: SyncLease, watch: Watch
) -> SyncResult:
    base, model, max_file_bytes = run.base, deps.embedder.model, deps.sources.limits.file_bytes
    fingerprint = index_rules.fingerprint_of(base, model, max_file_bytes)
    definition = index_rules.definition_of(base)
    with tracer().start_as_current_span("knowledge.list_source"):
        commit = await source.newest_commit()
    async with deps.pool.acquire() as connection:
        index = await index_repository.get_index(connection, base.id, base.version)
        known = await file_repository.list_files(connection, base.id, base.version)
        existing = await chunk_repository.list_chunk_ids(connection, base.id, base.version)
        versions = await version_repository.list_versions(connection, base.id)
    others = [other.version for other in versions if other.version != base.version]
    obsolete = version_rules.of_other_models(versions, base.version, model)
    if run.mode != "full" and rules.is_current(
        index,
        commit=commit,
        fingerprint=fingerprint,
        definition=definition,
        known=known,
        existing=existing,
        obsolete_versions=obsolete,
    ):
        result = SyncResult("skipped", commit)
        await applying.finish_unchanged(deps.pool, held.lease, run.id, base, result)
        return result

    anew = index is None or index.fingerprint != fingerprint
    with tracer().start_as_current_span("knowledge.list_source"):
        listing = await source.list_files(commit)
    to_read = rules.files_to_read(listing, known, existing, everything=anew or run.mode == "full")
    with tracer().start_as_current_span("knowledge.read_and_embed") as span:
        span.set_attribute("knowledge.files", len(to_read))
        in_place = index and not anew and run.mode != "full" and index.definition == definition
        at_hand = (
            await read_from_rows(deps.pool, base, model, fingerprint, to_read, known, existing)
            if in_place
            else {}
        )
        wanted = [file for file in to_read if file_rules.content_key(file) not in at_hand]
        if wanted:
            slots.admit(slots.EMBEDDER)  # before anything is downloaded for it
        await source.prepare([file for file in wanted if file.size <= max_file_bytes], commit)
        report = Reporter(deps.pool, held.lease, run.id, base.id, watch)
        reader = Reader(deps.pool, deps.embedder, source, base, fingerprint, deps.downloads, max_file_bytes)
        reading = await reader.read(to_read, commit, known, existing, report, at_hand)
    plan = rules.plan_of(listing, known, reading.files, reading.chunks)

    failed = bool(plan.failures())
    metrics.FILES_FAILED.inc(len(plan.failures()))
    if failed and not rules.may_apply_partly(index, fingerprint, existing, plan.wanted(), others):
        reason = applying.failure_of(plan)
        await applying.finish_failed(deps.pool, held.lease, run.id, base.id, reason, report_of(plan, known))
        raise FilesUnreadable(reason, reading.later)
    change = applying.Change(
        base=base,
        plan=plan,
        known=known,
        index=Index(model, fingerprint, definition, None if failed else commit, 0),
        old_commit=index.commit if index else None,
        result=SyncResult(
            "full" if anew or run.mode == "full" else "incremental",
            commit,
            plan.added,
            plan.modified,
            plan.removed,
        ),
    )
    await held.stop_renewing()
    with tracer().start_as_current_span("knowledge.apply"):
        result = await applying.apply(deps.pool, held.lease, run.id, change, report, reading.progress)
    await watch(reading.progress)
    if failed:
        raise FilesUnreadable(applying.failure_of(plan), reading.later)
    log.info("knowledge base synced", knowledge_base=base.id, **history_of(result))
    return result


async def _start(pool: Pool, lease: Lease, run: SyncRun) -> None:
    async with transaction(pool) as connection:
        await lease.hold(connection)
        sequence = await bases.update_sequence(connection, run.base.id)
        trace = trace_context.current()
        await repository.upsert_started(
            connection,
            run.id,
            run.base.id,
            run.mode,
            run.reason,
            run.job_id,
            trace.traceparent if trace else None,
        )
        fact = SyncStarted(
            knowledge_base_id=run.base.id, sync_id=run.id, version=run.base.version, mode=run.mode
        )
        await outbox.append(connection, [outbox.Fact(FACTS_STREAM, run.base.id, sequence, fact)])

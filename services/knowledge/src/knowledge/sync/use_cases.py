"""Sync one knowledge base with its source."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import structlog

from backbone.leases import Held, Lease, LeaseLost
from common import trace_context
from common.errors import NotFound, PermanentError, TakaroError, TransientError
from common.postgres import Pool, transaction, tried_again
from common.telemetry import tracer
from knowledge.bases import facts as base_facts
from knowledge.bases import repository as bases
from knowledge.bases.records import KnowledgeBase
from knowledge.content.files.rules import content_key
from knowledge.content.indexes.rules import fingerprint_of
from knowledge.content.lease import hold_base
from knowledge.content.use_cases import get_stored
from knowledge.sources import Findings, Known, SourceFile
from knowledge.sync import applying, facts, metrics, repository, rules
from knowledge.sync.progress import Progress
from knowledge.sync.reading import Reader, Reading, TooManyChunks
from knowledge.sync.records import Plan, SyncResult, SyncRun
from knowledge.sync.removals import check_removal
from knowledge.sync.report import report_of
from knowledge.sync.reporting import Reporter, Watch
from knowledge.sync.rows_in_place import read_from_rows
from knowledge.sync.wire import history_of
from knowledge.sync.work import SyncDeps, Work
from knowledge.waiting import slots
from knowledge.waiting.later import Later
from knowledge.waiting.slots import SiteSilent

log = structlog.get_logger()


class FilesUnreadable(TransientError):
    """Some files could not be fetched. What could be read is written, unless the stored rows are of another
    model; the commit has not advanced. The sync's outcome is recorded. ``later``: when to come back, if
    known."""

    default_code = "files_unreadable"

    def __init__(self, reason: str, later: Later | None = None) -> None:
        super().__init__(reason)
        self.later = later


class FilesRefused(PermanentError):
    """The embedder refuses a text of some files, and would again. The others are written; the commit has not
    advanced. The sync's outcome is recorded."""

    default_code = "files_refused"


async def sync_base(deps: SyncDeps, run: SyncRun, watch: Watch) -> SyncResult:
    """Bring the rows of ``run.base`` in line with its source, all at once for readers.

    Raises:

    - :class:`BaseBusy` while another sync of the base runs. Nothing was recorded.
    - ``Later`` if its source or the embedder asks for a pause. The sync is recorded as waiting.
    - ``LeaseLost`` if another sync has taken over. That one's outcome stands; this one changes nothing more.
    - ``NotFound`` if the base was deleted.
    - :class:`knowledge.sync.removals.RemovalUnconfirmed` if most of the base would be removed.
    - :class:`FilesUnreadable`, :class:`FilesRefused`, and what source and embedder raise. A failure that
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
        except FilesRefused:
            raise
        except Later as later:
            await applying.put_back(deps.pool, held.lease, run.id, later.reason)
            raise
        except LeaseLost as error:
            await _check_exists(deps.pool, run.base, error)
            raise
        except Exception as error:
            reason = error.reason if isinstance(error, TakaroError) else repr(error)
            permanent = isinstance(error, PermanentError)
            await applying.finish_failed(
                deps.pool, held.lease, run.id, run.base.id, reason, permanent=permanent
            )
            raise


async def _admit(deps: SyncDeps, run: SyncRun) -> None:
    """Raises ``SiteSilent`` while too many syncs wait for the base's source, before any work starts."""
    try:
        deps.sources.admit(run.base.source)
    except SiteSilent as later:
        async with deps.pool.acquire() as connection:
            await repository.update_waiting_reason(connection, run.id, later.reason)
        raise


async def _check_exists(pool: Pool, base: KnowledgeBase, error: LeaseLost) -> None:
    """A deletion revokes the lease too. Raises ``NotFound`` after one: no other run will continue this
    sync."""
    async with pool.acquire() as connection:
        if await bases.get_base(connection, base.id) is None:
            raise NotFound("The knowledge base was deleted", code="knowledge_base_deleted") from error


async def _sync(deps: SyncDeps, run: SyncRun, held: Held, watch: Watch) -> SyncResult:
    known = await _known(deps, run)
    async with deps.sources.open(run.base.source, rules.selection_of(run.base), known) as source:
        with tracer().start_as_current_span("knowledge.list_source"):
            commit = await source.newest_commit()
            findings = await source.findings()
        wanted = rules.wanted_index(run.base, deps.embedder, deps.sources.limits.file_bytes, commit)
        work = Work(deps, run, source, commit, wanted, await get_stored(deps.pool, run.base))
        if run.mode != "full" and rules.is_current(work.stored, wanted):
            result = SyncResult("skipped", commit, findings=findings)
            await applying.finish_unchanged(deps.pool, held.lease, run.id, run.base, result)
            return result
        return await _bring_up_to_date(work, findings, held, watch)


async def _known(deps: SyncDeps, run: SyncRun) -> Known:
    """What the source is told of the base. Only a website decides by it which texts it keeps."""
    fresh = run.mode == "full"
    if not rules.reads_pages(run.base):
        async with deps.pool.acquire() as connection:
            repository = await bases.get_repository(connection, run.base.id, run.base.source)
        return Known(repository=repository, fresh=fresh)
    stored = await get_stored(deps.pool, run.base)
    fingerprint = fingerprint_of(run.base, deps.embedder, deps.sources.limits.file_bytes)
    everything = fresh or not stored.is_made_with(fingerprint)
    return rules.known_of(stored, everything=everything, fresh=fresh)


async def _bring_up_to_date(work: Work, findings: Findings, held: Held, watch: Watch) -> SyncResult:
    pool, run, stored = work.deps.pool, work.run, work.stored
    report = Reporter(pool, held.lease, run.id, run.base.id, watch)
    with tracer().start_as_current_span("knowledge.list_source"):
        listing = await work.source.list_files(work.commit)
    reading = await _read(work, listing, report)
    plan = rules.plan_of(listing, stored, reading.files, reading.chunks)

    if not run.confirm_removal:
        check_removal(run.base.id, plan, stored, work.wanted)
    failures = plan.failures()
    metrics.FILES_FAILED.inc(len(failures))
    unread = any(file.path not in reading.refused for file in failures)
    failure = _failure(plan, reading, unread=unread) if failures else None
    permanent = isinstance(failure, PermanentError)
    if failure and not rules.may_apply_partly(stored, work.wanted.fingerprint, plan.wanted(), unread=unread):
        files = report_of(plan, stored.files)
        await applying.finish_failed(
            pool, held.lease, run.id, run.base.id, failure.reason, files, permanent=permanent
        )
        raise failure
    change = applying.Change(
        base=run.base,
        plan=plan,
        stored=stored,
        index=replace(work.wanted, commit=None) if failure else work.wanted,
        result=SyncResult(
            "full" if work.everything else "incremental",
            work.commit,
            plan.added,
            plan.modified,
            plan.removed,
            findings=findings,
        ),
        permanent=permanent,
    )
    await held.stop_renewing()
    with tracer().start_as_current_span("knowledge.apply"):
        result = await applying.apply(pool, held.lease, run.id, change, report, reading.progress)
    await watch(reading.progress)
    if failure:
        raise failure
    log.info("knowledge base synced", knowledge_base=run.base.id, **history_of(result))
    return result


def _failure(plan: Plan, reading: Reading, *, unread: bool) -> FilesUnreadable | FilesRefused:
    """What a sync of which files failed raises. It is permanent if another attempt would end alike."""
    reason = applying.failure_of(plan)
    for_good = all(isinstance(refusal, PermanentError) for refusal in reading.refused.values())
    return FilesUnreadable(reason, reading.later) if unread or not for_good else FilesRefused(reason)


async def _read(work: Work, listing: Sequence[SourceFile], report: Reporter) -> Reading:
    """Read and embed what the stored rows don't provide."""
    if len(listing) > work.deps.max_chunks:  # each file has a row, also one without chunks
        raise TooManyChunks(work.deps.max_chunks, "files")
    to_read = rules.files_to_read(listing, work.stored, everything=work.everything)
    progress = Progress(files_to_read=len(to_read))
    with tracer().start_as_current_span("knowledge.read_and_embed") as span:
        span.set_attribute("knowledge.files", len(to_read))
        at_hand = await read_from_rows(work, to_read) if work.may_use_rows else {}
        wanted = [file for file in to_read if content_key(file) not in at_hand]
        if wanted:
            slots.admit(slots.EMBEDDER)  # before anything is downloaded for it
        fetched = [file for file in wanted if file.size <= work.max_file_bytes]
        await work.source.prepare(fetched, work.commit)
        kept = rules.count_kept_chunks(listing, to_read, work.stored)
        async with report.meanwhile(progress):
            return await Reader(work).read(to_read, progress, report, at_hand, kept)


@tried_again
async def _start(pool: Pool, lease: Lease, run: SyncRun) -> None:
    async with transaction(pool) as connection:
        await lease.hold(connection)
        sequence = await bases.update_sequence(connection, run.base.id)
        trace = trace_context.current()
        await repository.upsert_started(connection, run, trace.traceparent if trace else None)
        await base_facts.append(connection, run.base.id, facts.started(run), sequence)

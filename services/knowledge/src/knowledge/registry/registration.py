"""Adds or changes bases: for their owners, and from a job's data if the Node application knows more."""

from datetime import datetime

from backbone import erased_ids, names, sequences
from common.errors import NotFound
from common.notifications import notify
from common.postgres import Connection, Pool, transaction, tried_again
from knowledge.bases import facts, repository
from knowledge.bases.records import KnowledgeBase
from knowledge.schedules import repository as schedules


async def register(connection: Connection, base: KnowledgeBase) -> bool:
    """Add or change ``base`` and publish a fact about it, in the caller's transaction, which holds the
    registry's lock. Returns whether anything changed."""
    if base.refresh_schedule is None:
        await schedules.insert_retired_schedule(connection, base.id)
    subject = names.retired_base(base.id)
    before = await sequences.resume(connection, [subject])
    if before:
        await erased_ids.forget_subjects(connection, [base.id])
    sequence = await repository.upsert_base(connection, base, before.get(subject, 0))
    if sequence is None:
        return False
    await facts.append(connection, base.id, facts.updated(base), sequence)
    await notify(connection, names.SCHEDULES_CHANNEL)
    return True


@tried_again
async def register_from_job(
    pool: Pool, wanted: KnowledgeBase, *, added_at: datetime | None = None, known_only: bool = False
) -> KnowledgeBase:
    """The base to sync for a job that describes ``wanted`` and was added at ``added_at``.

    A base that only jobs have described follows the newest job. A base that settings or the API declare stays
    as declared; otherwise the Node application and this service would take turns redefining it. An unknown
    base is registered, unless ``known_only``, or it was deleted after the job was added: then raises
    ``NotFound``.
    """
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        known = await repository.get_base(connection, wanted.id)
        if known is not None and (known.origin != "job" or known_only):
            return known
        if known is None:
            retired_at = await sequences.get_retired_at(connection, names.retired_base(wanted.id))
            if known_only or (retired_at and added_at and added_at <= retired_at):
                raise NotFound(
                    f"The knowledge base {wanted.id} was deleted after this job was added",
                    code="knowledge_base_deleted",
                )
        if known != wanted:
            await register(connection, wanted)
    return wanted

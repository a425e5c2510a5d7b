"""Erases what knowledge stores of a user, a bounded number of rows or one base in each transaction."""

from collections.abc import Sequence
from functools import partial

from redis.asyncio import Redis

from backbone.entry_store import EntryStore
from backbone.erasing import Erased, ServiceErasing, erase_answers
from backbone.sweeping import Sweep
from common.postgres import Connection
from contracts.knowledge import COMMANDS_STREAM, FACTS_STREAM, UserErased
from knowledge.bases.rules import check_owned
from knowledge.erasing import repository
from knowledge.erasing.jobs import QueueErasing
from knowledge.registry.removal import remove_in

SYNCS_AT_ONCE = 1_000


def create_erasing() -> ServiceErasing:
    """What knowledge does to erase a user."""
    return ServiceErasing(
        "knowledge",
        [erase_base, forget_requests, partial(erase_answers, service="knowledge")],
        FACTS_STREAM,
        UserErased,
    )


def create_sweep(entries: EntryStore, queue: Redis) -> Sweep:
    """What knowledge does to erase entries and jobs of a user. ``queue`` is a client of
    :func:`backbone.queued_jobs.open_queue`."""
    return Sweep(
        "knowledge", entries, [COMMANDS_STREAM], FACTS_STREAM, list_existing, QueueErasing(queue).erase
    )


async def list_existing(connection: Connection, subjects: Sequence[str]) -> set[str]:
    """Which of these are bases: of somebody who took the id since."""
    return await repository.list_existing(connection, subjects)


async def erase_base(connection: Connection, user_id: str) -> Erased:
    """Delete one of the user's bases, public or not, with its content. A running sync of it is fenced off."""
    base_id = await repository.get_owned_id(connection, user_id)
    if base_id is None:
        return Erased({})
    chunks = await remove_in(connection, base_id, partial(check_owned, user_id=user_id))
    return Erased({"knowledge_bases": 1, "knowledge_embeddings": chunks or 0}, [base_id])


async def forget_requests(connection: Connection, user_id: str) -> Erased:
    """Forget that the user requested some syncs of others' bases."""
    syncs = await repository.update_requesters(connection, user_id, SYNCS_AT_ONCE)
    return Erased({"knowledge_syncs": syncs} if syncs else {})

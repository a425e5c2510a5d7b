"""Erases what knowledge stores of a user, a bounded number of rows or one base in each transaction."""

from functools import partial

from backbone.erasing import Erased, ServiceErasing, erase_answers
from common.postgres import Connection
from contracts.knowledge import FACTS_STREAM
from knowledge.bases.rules import check_owned
from knowledge.erasing import repository
from knowledge.erasing.facts import erased
from knowledge.registry.removal import remove_in

SYNCS_AT_ONCE = 1_000


def create_erasing() -> ServiceErasing:
    """What knowledge does to erase a user."""
    return ServiceErasing(
        "knowledge",
        [erase_base, forget_requests, partial(erase_answers, service="knowledge")],
        FACTS_STREAM,
        erased,
    )


async def erase_base(connection: Connection, user_id: str) -> Erased:
    """Delete one of the user's bases, public or not, with its content. A running sync of it is fenced off."""
    base_id = await repository.get_owned_id(connection, user_id)
    if base_id is None:
        return Erased({})
    chunks = await remove_in(connection, base_id, partial(check_owned, user_id=user_id))
    return Erased({"knowledge_bases": 1, "knowledge_embeddings": chunks or 0})


async def forget_requests(connection: Connection, user_id: str) -> Erased:
    """Forget that the user requested some syncs of others' bases."""
    syncs = await repository.update_requesters(connection, user_id, SYNCS_AT_ONCE)
    return Erased({"knowledge_syncs": syncs} if syncs else {})

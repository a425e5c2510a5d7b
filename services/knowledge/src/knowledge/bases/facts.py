"""Publishes facts about a base, under the base's sequence."""

from backbone import outbox
from common.postgres import Connection
from contracts import Contract
from contracts.knowledge import FACTS_STREAM, BaseUpdated
from knowledge.bases import repository
from knowledge.bases.records import KnowledgeBase


async def append(connection: Connection, base_id: str, fact: Contract, sequence: int | None = None) -> None:
    """Append a fact about the base, in the caller's transaction, under the base's next sequence.

    The base's row stays locked until the commit. ``sequence``: one that a change of the row has already
    taken. Raises ``NotFound`` if the base was deleted.
    """
    if sequence is None:
        sequence = await repository.update_sequence(connection, base_id)
    if isinstance(fact, BaseUpdated):
        fact = fact.model_copy(update={"revision": sequence})
    await outbox.append(connection, [outbox.Fact(FACTS_STREAM, base_id, sequence, fact)])


def updated(base: KnowledgeBase, *, deleted: bool = False, removed_version: str | None = None) -> BaseUpdated:
    """The fact that ``base`` has this definition now, or which part of it was deleted."""
    return BaseUpdated(
        knowledge_base_id=base.id,
        name=base.name,
        version=base.version,
        source=base.source,
        refresh_schedule=base.refresh_schedule,
        public=base.public,
        owner_id=base.owner,
        deleted=deleted,
        removed_version=removed_version,
        description=base.description,
    )

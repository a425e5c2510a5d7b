"""Reads a base in the caller's transaction."""

from common.postgres import Connection
from knowledge.bases import repository, rules
from knowledge.bases.records import KnowledgeBase


async def get_visible_base(connection: Connection, base_id: str, user_id: str) -> KnowledgeBase:
    """The base. Raises ``NotFound``, or ``Forbidden`` for another user's private base."""
    return rules.check_visible(await repository.get_base(connection, base_id), user_id)

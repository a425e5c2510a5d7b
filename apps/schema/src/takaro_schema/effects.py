"""Which tables store an event's effect under the event's key, so that tools find it in any table.

An event's key is its id if that is a UUID, else ``uuid5`` of its source and id. A table whose rows an event
creates belongs here if the row's id is that key.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.postgres import Connection


@dataclass(slots=True, frozen=True)
class Effect:
    """The ``columns`` that describe a row, including ``id`` and ``created_at``.

    ``summary`` is a line for people, a format string over the columns.
    """

    table: str
    columns: tuple[str, ...]
    summary: str

    def statement(self) -> str:
        """Selects the rows whose ``id`` is one of the keys in ``$1``."""
        return f"SELECT {', '.join(self.columns)} FROM {self.table} WHERE id = ANY($1::uuid[])"  # noqa: S608


EFFECTS = (
    Effect(
        "messages",
        ("id", "conversation_id", "role", "created_at"),
        "message {id} ({role}) in {conversation_id}",
    ),
    Effect(
        "conversations",
        ("id", "agent_id", "user_id", "created_at"),
        "conversation {id} of {user_id} with {agent_id}",
    ),
)


async def list_effects(connection: Connection, keys: Collection[UUID]) -> dict[Effect, list[dict[str, Any]]]:
    """The rows that the events with these keys created, as the database returns them."""
    found = {}
    for effect in EFFECTS:
        rows = await connection.fetch(effect.statement(), list(keys))
        found[effect] = [dict(row) for row in rows]
    return found

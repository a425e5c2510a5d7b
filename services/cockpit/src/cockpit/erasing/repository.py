"""SQL that finds what is to be erased. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from common.postgres import Connection

LIST_EXISTING = "SELECT id FROM cockpit_sessions WHERE id = ANY($1::uuid[])"


async def list_existing(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these are sessions, whoever owns them."""
    return {row["id"] for row in await connection.fetch(LIST_EXISTING, ids)}

"""SQL of the bases that followers must be told of. Functions take a connection, run one statement and never
commit."""

from common.postgres import Connection

TELL_BASES = """
UPDATE knowledge_bases SET event_sequence = event_sequence + 1, told = true
WHERE id = ANY (ARRAY(
    SELECT id FROM knowledge_bases WHERE NOT told ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING id, event_sequence
"""


async def tell_bases(connection: Connection, limit: int) -> dict[str, int]:
    """Mark up to ``limit`` bases as told of. Returns the sequence of the fact to publish, by id."""
    rows = await connection.fetch(TELL_BASES, limit)
    return {row["id"]: row["event_sequence"] for row in rows}

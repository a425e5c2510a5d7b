"""SQL of what runtimes show in their turns, piece by piece. Each function runs its one statement on the
caller's connection.

Pieces are numbered 1, 2, 3 … in their turn. A row has those that were stored together, as a JSON array.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from backbone.names import TURN_NEWS_CHANNEL
from chat.turns.records import PieceRow, State
from common.postgres import Connection


@dataclass(slots=True, frozen=True)
class Shown:
    """What a turn has shown so far: the number of its last piece, and the bytes of all."""

    conversation_id: UUID
    state: State
    token_sha256: str | None
    expired: bool
    last: int
    total_bytes: int


_SHOWN = """
t.id, t.conversation_id, t.state, t.token_sha256, t.expires_at <= clock_timestamp() AS expired,
       coalesce(p.last, 0) AS last, coalesce(p.total_bytes, 0) AS total_bytes
FROM chat_turns AS t
LEFT JOIN LATERAL (
    SELECT r.last, r.total_bytes FROM chat_turn_pieces AS r
    WHERE r.turn_id = t.id ORDER BY r.first DESC LIMIT 1
) AS p ON true
WHERE t.id = ANY($1::uuid[])
ORDER BY t.conversation_id, t.id
"""

LIST_SHOWN = f"SELECT {_SHOWN}"


async def list_shown(connection: Connection, turn_ids: Sequence[UUID]) -> dict[UUID, Shown]:
    """What turns have shown so far."""
    rows = await connection.fetch(LIST_SHOWN, turn_ids)
    return {row[0]: Shown(*row[1:]) for row in rows}


# In the order of the conversations, as whoever ends turns locks them. The last row may be of before this
# waited for the lock: then the row that comes after it exists, and isn't inserted again.
LOCK_SHOWN = f"SELECT {_SHOWN} FOR NO KEY UPDATE OF t"


async def lock_shown(connection: Connection, turn_ids: Sequence[UUID]) -> dict[UUID, Shown]:
    """Lock turns, so that none of them ends meanwhile, and read what they have shown."""
    rows = await connection.fetch(LOCK_SHOWN, turn_ids)
    return {row[0]: Shown(*row[1:]) for row in rows}


INSERT_PIECES = f"""
WITH inserted AS (
    INSERT INTO chat_turn_pieces (turn_id, first, last, total_bytes, pieces)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::text[])
    ON CONFLICT (turn_id, first) DO NOTHING
    RETURNING turn_id
)
SELECT i.turn_id, pg_notify('{TURN_NEWS_CHANNEL}', t.conversation_id::text) AS told
FROM inserted AS i JOIN chat_turns AS t ON t.id = i.turn_id
"""  # noqa: S608 -- only constants


async def insert_pieces(connection: Connection, rows: Sequence[PieceRow], total_bytes: Sequence[int]) -> int:
    """Store one row of pieces for each of some locked turns. ``total_bytes`` are those of their turns with
    them. Wakes who follows the conversations. Returns how many rows weren't there."""
    stored = await connection.fetch(
        INSERT_PIECES,
        [row.turn_id for row in rows],
        [row.first for row in rows],
        [row.last for row in rows],
        total_bytes,
        [row.pieces for row in rows],
    )
    return len(stored)


# All in one statement, because almost always a runtime's pieces are the next ones of a turn that it holds.
# `held` waits for who ends the turn, and sees then that it has ended; who ends it next waits for this. What
# isn't so in any way is left out, and looked at with its turn locked.
INSERT_NEXT_PIECES = f"""
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::int[], $7::text[])
        AS t (turn_id, conversation_id, token_sha256, first, last, bytes, pieces)
), held AS MATERIALIZED (
    SELECT t.id
    FROM chat_turns AS t JOIN new AS n ON n.turn_id = t.id
    WHERE t.conversation_id = n.conversation_id AND t.token_sha256 = n.token_sha256
      AND t.state IN ('running', 'awaiting') AND t.expires_at > clock_timestamp()
    ORDER BY t.conversation_id, t.id
    FOR NO KEY UPDATE OF t
), inserted AS (
    INSERT INTO chat_turn_pieces (turn_id, first, last, total_bytes, pieces)
    SELECT n.turn_id, n.first, n.last, coalesce(p.total_bytes, 0) + n.bytes, n.pieces
    FROM held JOIN new AS n ON n.turn_id = held.id
    LEFT JOIN LATERAL (
        SELECT r.last, r.total_bytes FROM chat_turn_pieces AS r
        WHERE r.turn_id = n.turn_id ORDER BY r.first DESC LIMIT 1
    ) AS p ON true
    WHERE n.first = coalesce(p.last, 0) + 1 AND coalesce(p.total_bytes, 0) + n.bytes <= $8
    ON CONFLICT (turn_id, first) DO NOTHING
    RETURNING turn_id
)
SELECT i.turn_id, pg_notify('{TURN_NEWS_CHANNEL}', n.conversation_id::text) AS told
FROM inserted AS i JOIN new AS n USING (turn_id)
"""  # noqa: S608 -- only constants


@dataclass(slots=True, frozen=True)
class NextPieces:
    """Pieces that are likely the next ones of a turn, and who shows them."""

    row: PieceRow
    conversation_id: UUID
    token_sha256: str
    bytes: int


async def insert_next_pieces(
    connection: Connection, following: Sequence[NextPieces], most_bytes: int
) -> set[UUID]:
    """Store one row of pieces for each of some turns, where it follows the last one, the turn is held with
    this token, and shows at most ``most_bytes`` with it. Wakes who follows. Returns the turns where it is
    so."""
    stored = await connection.fetch(
        INSERT_NEXT_PIECES,
        [each.row.turn_id for each in following],
        [each.conversation_id for each in following],
        [each.token_sha256 for each in following],
        [each.row.first for each in following],
        [each.row.last for each in following],
        [each.bytes for each in following],
        [each.row.pieces for each in following],
        most_bytes,
    )
    return {row["turn_id"] for row in stored}


DELETE_OLD_PIECES = """
DELETE FROM chat_turn_pieces WHERE ctid = ANY (ARRAY(
    SELECT p.ctid
    FROM chat_turn_pieces AS p JOIN chat_turns AS t ON t.id = p.turn_id
    WHERE p.stored_at < clock_timestamp() - make_interval(hours => $1)
      AND t.ended_at < clock_timestamp() - make_interval(hours => $1)
    LIMIT $2
))
"""


async def delete_old_pieces(connection: Connection, hours: int, limit: int) -> int:
    """Delete up to ``limit`` rows of pieces of turns that ended so long ago."""
    status: str = await connection.execute(DELETE_OLD_PIECES, hours, limit)
    return int(status.rpartition(" ")[2])


LIST_ALL_PIECES = "SELECT pieces FROM chat_turn_pieces WHERE turn_id = $1 ORDER BY first"


async def list_all_pieces(connection: Connection, turn_id: UUID) -> list[str]:
    """Everything that a turn has shown, in order: JSON arrays of pieces."""
    return [row["pieces"] for row in await connection.fetch(LIST_ALL_PIECES, turn_id)]


DELETE_PIECES_OF_ENDED = """
DELETE FROM chat_turn_pieces AS p USING chat_turns AS t
WHERE t.id = p.turn_id AND t.conversation_id = $1 AND t.ended_at IS NOT NULL
"""


async def delete_pieces_of_ended(connection: Connection, conversation_id: UUID) -> None:
    """Delete what the turns of a conversation have shown that have ended."""
    await connection.execute(DELETE_PIECES_OF_ENDED, conversation_id)


LIST_PIECES_OF_HELD = """
SELECT p.turn_id, p.first, p.last, p.pieces
FROM chat_turns AS t JOIN chat_turn_pieces AS p ON p.turn_id = t.id
WHERE t.conversation_id = $1 AND t.state IN ('running', 'awaiting')
ORDER BY p.first
FOR UPDATE OF p
"""


async def list_pieces_of_held(connection: Connection, conversation_id: UUID) -> list[PieceRow]:
    """Lock what the turn that runs in a conversation has shown, and read it."""
    rows = await connection.fetch(LIST_PIECES_OF_HELD, conversation_id)
    return [PieceRow(*row) for row in rows]


UPDATE_PIECES = "UPDATE chat_turn_pieces SET pieces = $3 WHERE turn_id = $1 AND first = $2"


async def update_pieces(connection: Connection, turn_id: UUID, first: int, pieces: str) -> None:
    """Replace a row of pieces."""
    await connection.execute(UPDATE_PIECES, turn_id, first, pieces)

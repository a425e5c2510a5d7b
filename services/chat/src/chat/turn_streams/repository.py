"""SQL of followed turns. Each function runs its one statement on the caller's connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from chat.turn_streams.records import News, Progress
from chat.turns.records import State
from common.postgres import Connection

NO_PIECES = 2**31 - 1
"""After this number, no piece comes."""

LIST_NEWS = """
SELECT w.turn_id, t.state, t.awaiting, t.usage, t.error, coalesce(l.last, 0), p.first, p.last, p.pieces
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS w (turn_id, after, state)
LEFT JOIN chat_turns AS t ON t.id = w.turn_id
LEFT JOIN LATERAL (
    SELECT r.last FROM chat_turn_pieces AS r WHERE r.turn_id = w.turn_id ORDER BY r.first DESC LIMIT 1
) AS l ON true
LEFT JOIN LATERAL (
    SELECT r.first, r.last, r.pieces FROM chat_turn_pieces AS r
    WHERE r.turn_id = w.turn_id AND r.first > w.after ORDER BY r.first LIMIT $4
) AS p ON true
WHERE w.state IS NULL OR t.state IS DISTINCT FROM w.state OR l.last > w.after
ORDER BY w.turn_id, p.first
"""


async def list_news(
    connection: Connection, known: Mapping[UUID, tuple[int, State | None]], rows: int
) -> list[News]:
    """How far turns are, and what they have shown, of those that have news: other pieces than those up to
    this one, or another state than this (None: in any case). Up to so many ``rows`` of each.

    One statement sees all of it at one time: a turn that has ended has no other pieces than these.
    """
    after, states = zip(*known.values(), strict=True)
    found = await connection.fetch(LIST_NEWS, list(known), after, states, rows)
    news = []
    for turn_id, each in groupby(found, key=lambda row: row[0]):
        of_turn = list(each)
        _, state, awaiting, usage, error, last, *_ = of_turn[0]
        progress = None if state is None else Progress(state, awaiting, usage, error, last)
        news.append(News(turn_id, progress, [tuple(row)[6:] for row in of_turn if row[6] is not None]))
    return news


# The row that has the next piece begins with it or before it.
LIST_PIECES = """
SELECT first, pieces FROM (
    SELECT p.first, p.pieces, sum(octet_length(p.pieces)) OVER (ORDER BY p.first) AS bytes,
           octet_length(p.pieces) AS own
    FROM chat_turn_pieces AS p
    WHERE p.turn_id = $1 AND p.first >= coalesce((
        SELECT max(b.first) FROM chat_turn_pieces AS b WHERE b.turn_id = $1 AND b.first <= $2::integer + 1
    ), 1)
    ORDER BY p.first LIMIT $3
) AS page
WHERE bytes - own < $4 ORDER BY first
"""


async def list_pieces(
    connection: Connection, turn_id: UUID, after: int, rows: int, most_bytes: int
) -> list[tuple[int, str]]:
    """Rows of pieces: the number of the first one of each, and all as a JSON array. They begin with the row
    that has the piece after this one, and end with the one that reaches so many bytes."""
    return [tuple(row) for row in await connection.fetch(LIST_PIECES, turn_id, after, rows, most_bytes)]


@dataclass(slots=True, frozen=True)
class Answering:
    """The turn that answers a message; or the running one, after whose end the message's own comes."""

    turn_id: UUID
    answers: bool


# The first one that reaches the message; a message that waits is of no turn yet.
FIND_ANSWERING = """
SELECT t.id, t.through_sequence >= $2 AS answers FROM chat_turns AS t
WHERE t.conversation_id = $1
  AND (t.through_sequence >= $2 OR (t.state IN ('running', 'awaiting') AND t.waiting_sequence >= $2))
ORDER BY answers DESC, t.number LIMIT 1
"""


async def find_answering(connection: Connection, conversation_id: UUID, sequence: int) -> Answering | None:
    """What answers the message with this sequence, or is before it; None if nothing does."""
    row = await connection.fetchrow(FIND_ANSWERING, conversation_id, sequence)
    return Answering(*row) if row else None

"""Requests to erase a user, and what each service has erased so far: the receipt.

Counts commit with the deletions that they count, so they are exact however often the work is interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid4

from common.postgres import Connection

SERVICES = ("chat", "knowledge", "cockpit")

INSERT_REQUEST = """
INSERT INTO erasures (id, service, user_id, user_sha256)
SELECT coalesce((SELECT e.id FROM erasures AS e WHERE e.user_id = $2 LIMIT 1), $1), service, $2, $3
FROM unnest($4::text[]) AS service
ON CONFLICT DO NOTHING
"""

GET_REQUESTED = "SELECT id FROM erasures WHERE user_id = $1 LIMIT 1"

LOCK_NEXT = """
SELECT id, user_id, event_sequence FROM erasures
WHERE service = $1 AND finished_at IS NULL
ORDER BY requested_at, id LIMIT 1 OFFSET $2
FOR UPDATE SKIP LOCKED
"""

ADD_COUNTS = """
UPDATE erasures
SET event_sequence = event_sequence + 1,
    counts = counts || coalesce((
        SELECT jsonb_object_agg(key, coalesce((counts ->> key)::bigint, 0) + value::bigint)
        FROM jsonb_each_text($3::jsonb)), '{}')
WHERE id = $1 AND service = $2
RETURNING event_sequence
"""

FINISH = """
UPDATE erasures SET user_id = NULL, finished_at = clock_timestamp(), event_sequence = event_sequence + 1
WHERE id = $1 AND service = $2
RETURNING event_sequence, counts
"""

LIST_RECEIPTS = """
SELECT service, user_sha256, counts, requested_at, finished_at FROM erasures WHERE id = $1 ORDER BY service
"""


@dataclass(slots=True, frozen=True)
class Erasure:
    """An erasure that a service works on."""

    id: UUID
    user_id: str


@dataclass(slots=True, frozen=True)
class Receipt:
    """What a service erased, by table. ``user_sha256`` is that of the user's id in UTF-8."""

    service: str
    user_sha256: bytes
    counts: Mapping[str, int]
    requested_at: datetime
    finished_at: datetime | None


def digest_of(user_id: str) -> bytes:
    """What a receipt keeps of a user's id."""
    return sha256(user_id.encode()).digest()


async def request(connection: Connection, user_id: str) -> UUID:
    """Request that all services erase a user. Returns the erasure's id: that of a request for the same user
    that isn't finished everywhere, if there is one."""
    found: UUID | None = None
    while found is None:  # one that was there may just have finished
        await connection.execute(INSERT_REQUEST, uuid4(), user_id, digest_of(user_id), SERVICES)
        found = await connection.fetchval(GET_REQUESTED, user_id)
    return found


async def lock_next(connection: Connection, service: str, place: int) -> Erasure | None:
    """The unfinished erasure at this place of a service, from 0, oldest first; None if there is none."""
    row = await connection.fetchrow(LOCK_NEXT, service, place)
    return Erasure(row["id"], row["user_id"]) if row else None


async def add_counts(
    connection: Connection, erasure_id: UUID, service: str, counts: Mapping[str, int]
) -> int:
    """Count what the caller's transaction erased. Returns the sequence of the fact about it."""
    return int(await connection.fetchval(ADD_COUNTS, erasure_id, service, dict(counts)))


async def finish(connection: Connection, erasure_id: UUID, service: str) -> tuple[int, dict[str, int]]:
    """Nothing is left: forget the user's id. Returns the sequence of the fact about it, and all counts."""
    row = await connection.fetchrow(FINISH, erasure_id, service)
    assert row is not None, "its row is locked"
    return row["event_sequence"], row["counts"]


async def list_receipts(connection: Connection, erasure_id: UUID) -> Sequence[Receipt]:
    """The receipts of an erasure, by service; none if there is no such erasure."""
    return [Receipt(**row) for row in await connection.fetch(LIST_RECEIPTS, erasure_id)]

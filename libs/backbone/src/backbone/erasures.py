"""Requests to erase a user, and what each service has erased so far: the receipt.

Counts of rows commit with the deletions that they count, so they are exact however often the work is
interrupted. Entries of streams are noted before they are deleted, and counted when they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from backbone import erased_ids
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
SELECT id, user_id, sweep FROM erasures
WHERE service = $1 AND finished_at IS NULL
ORDER BY requested_at, id LIMIT 1 OFFSET $2
FOR UPDATE SKIP LOCKED
"""

_ADDED = """
(SELECT coalesce(jsonb_object_agg(key, coalesce(({0} ->> key)::bigint, 0) + value::bigint), '{{}}')
 FROM jsonb_each_text({1}::jsonb))
"""

RECORD = f"""
UPDATE erasures
SET event_sequence = event_sequence + $3, sweep = $4,
    counts = counts || {_ADDED.format("counts", "$5")},
    streams = streams || {_ADDED.format("streams", "$6")}
WHERE id = $1 AND service = $2
RETURNING event_sequence
"""  # noqa: S608 - names of columns

FINISH = """
UPDATE erasures
SET user_id = NULL, sweep = NULL, finished_at = clock_timestamp(), event_sequence = event_sequence + 1
WHERE id = $1 AND service = $2
RETURNING event_sequence, counts, streams
"""

LIST_RECEIPTS = """
SELECT service, user_sha256, counts, streams, requested_at, finished_at
FROM erasures WHERE id = $1 ORDER BY service
"""


@dataclass(slots=True, frozen=True)
class Erasure:
    """An erasure that a service works on. ``sweep`` is its place in the streams."""

    id: UUID
    user_id: str
    sweep: Mapping[str, Any] | None = None


@dataclass(slots=True, frozen=True)
class Receipt:
    """What a service erased: rows by table, entries by stream. ``user_sha256`` is that of the user's id in
    UTF-8."""

    service: str
    user_sha256: bytes
    counts: Mapping[str, int]
    streams: Mapping[str, int]
    requested_at: datetime
    finished_at: datetime | None


async def request(connection: Connection, user_id: str) -> UUID:
    """Request that all services erase a user. Returns the erasure's id: that of a request for the same user
    that isn't finished everywhere, if there is one. Commands that were published before are refused from now
    on."""
    found: UUID | None = None
    while found is None:  # one that was there may just have finished
        digest = erased_ids.digest_of_user(user_id)
        await connection.execute(INSERT_REQUEST, uuid4(), user_id, digest, SERVICES)
        found = await connection.fetchval(GET_REQUESTED, user_id)
    await erased_ids.upsert_user(connection, found, user_id)
    return found


async def lock_next(connection: Connection, service: str, place: int) -> Erasure | None:
    """The unfinished erasure at this place of a service, from 0, oldest first; None if there is none."""
    row = await connection.fetchrow(LOCK_NEXT, service, place)
    return Erasure(row["id"], row["user_id"], row["sweep"]) if row else None


async def record(
    connection: Connection,
    erasure_id: UUID,
    service: str,
    *,
    facts: int,
    sweep: Mapping[str, Any] | None,
    counts: Mapping[str, int] | None = None,
    streams: Mapping[str, int] | None = None,
) -> int:
    """Count what the caller's transaction erased, and keep the place in the streams. Returns the sequence of
    the last of ``facts`` facts about it."""
    added = dict(counts or {}), dict(streams or {})
    return int(await connection.fetchval(RECORD, erasure_id, service, facts, sweep, *added))


async def finish(
    connection: Connection, erasure_id: UUID, service: str
) -> tuple[int, dict[str, int], dict[str, int]]:
    """Nothing is left: forget the user's id. Returns the sequence of the fact about it, and all counts: of
    rows by table, of entries by stream."""
    row = await connection.fetchrow(FINISH, erasure_id, service)
    assert row is not None, "its row is locked"
    return row["event_sequence"], row["counts"], row["streams"]


async def list_receipts(connection: Connection, erasure_id: UUID) -> Sequence[Receipt]:
    """The receipts of an erasure, by service; none if there is no such erasure."""
    return [Receipt(**row) for row in await connection.fetch(LIST_RECEIPTS, erasure_id)]

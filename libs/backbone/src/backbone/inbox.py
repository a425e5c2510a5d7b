"""Inbox: the record that an event was handled, committed with the event's effects.

Records are kept longer than any stream, dead letter or topic can replay the event.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from backbone.events import Event
from backbone.handlers import Rejection
from common.postgres import Connection

CLAIM = """
INSERT INTO inbox (consumer, key, event_id, source, type, digest, trace_id)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[]) AS new (key)
ORDER BY new.key
ON CONFLICT DO NOTHING
RETURNING key
"""
"""In the order of the keys, like all that locks records here."""

LIST_KNOWN = """
SELECT key, digest, outcome, code, reason FROM inbox WHERE consumer = $1 AND key = ANY($2::uuid[])
"""

RECORD_REJECTED = """
INSERT INTO inbox AS known (consumer, outcome, key, event_id, source, type, digest, trace_id, code, reason)
SELECT $1, 'rejected', * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[],
                                     $8::text[], $9::text[]) AS new (key)
ORDER BY new.key
ON CONFLICT (consumer, key) DO UPDATE
SET outcome = 'rejected', code = excluded.code, reason = excluded.reason, handled_at = now()
WHERE known.outcome <> 'rejected'
RETURNING key
"""

RECORD_REPLAYS = """
INSERT INTO inbox (consumer, key, event_id, source, type, digest, trace_id, outcome)
SELECT $1, *, 'replayed'
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[]) AS new (key)
ORDER BY new.key
ON CONFLICT DO NOTHING
RETURNING key
"""

FORGET_REJECTED = """
WITH locked AS MATERIALIZED (
    SELECT key FROM inbox WHERE consumer = $1 AND key = ANY($2::uuid[]) AND outcome = 'rejected'
    ORDER BY key FOR UPDATE
)
DELETE FROM inbox USING locked WHERE inbox.consumer = $1 AND inbox.key = locked.key
"""

REMEMBER = """
INSERT INTO inbox (consumer, key, event_id, source, type, digest)
SELECT $1, new.key, new.key::text, $2, $3, '' FROM unnest($4::uuid[]) AS new (key)
ORDER BY new.key
ON CONFLICT DO NOTHING
"""

LIST_REJECTED = """
SELECT key FROM inbox WHERE consumer = $1 AND key = ANY($2::uuid[]) AND outcome = 'rejected'
"""

FORGET_REASONS = """
UPDATE inbox SET reason = $3 WHERE consumer = $1 AND key = ANY($2::uuid[]) AND reason <> $3
"""

ERASED_REASON = "its sender was erased"

PRUNE = """
DELETE FROM inbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM inbox WHERE handled_at < now() - make_interval(secs => $1) LIMIT $2
    FOR UPDATE SKIP LOCKED))
"""
"""Every service prunes: one passes over what another has locked."""


Record: TypeAlias = tuple[UUID, Event]
"""An event and the key it is remembered by: its own key, unless its id was used twice."""


@dataclass(slots=True, frozen=True)
class Known:
    """The inbox's record of a key. ``rejection`` is ``None`` if it was handled; ``digest`` may be empty."""

    digest: bytes
    rejection: Rejection | None

    def is_of(self, event: Event) -> bool:
        """Whether the record is of this event, not of another one with the same key."""
        return not self.digest or self.digest == event.digest()


def _columns(records: Sequence[Record]) -> tuple[list[object], ...]:
    return (
        [key for key, _ in records],
        [event.id for _, event in records],
        [event.source for _, event in records],
        [event.type for _, event in records],
        [event.digest() for _, event in records],
        [event.traceparent[3:35] if event.traceparent else None for _, event in records],
    )


async def claim(connection: Connection, consumer: str, records: Sequence[Record]) -> set[UUID]:
    """Record events as handled by ``consumer``. Returns the keys that were new. The caller commits."""
    rows = await connection.fetch(CLAIM, consumer, *_columns(records))
    return {row["key"] for row in rows}


async def list_known(connection: Connection, consumer: str, keys: Iterable[UUID]) -> dict[UUID, Known]:
    """The records of those keys that were seen before."""
    rows = await connection.fetch(LIST_KNOWN, consumer, list(keys))
    return {row["key"]: Known(row["digest"], _rejection_of(row)) for row in rows}


def _rejection_of(row: asyncpg.Record) -> Rejection | None:
    if row["outcome"] != "rejected":
        return None
    if row["code"] is None:  # recorded by a release that didn't store it
        return Rejection("rejected_before", "this command was rejected before")
    return Rejection(row["code"], row["reason"])


async def record_rejected(
    connection: Connection, consumer: str, records: Sequence[Record], rejections: Sequence[Rejection]
) -> set[UUID]:
    """Record why each event was rejected. Returns the keys that had no such record."""
    codes = [rejection.code for rejection in rejections]
    reasons = [rejection.reason for rejection in rejections]
    rows = await connection.fetch(RECORD_REJECTED, consumer, *_columns(records), codes, reasons)
    return {row["key"] for row in rows}


async def record_replays(connection: Connection, consumer: str, records: Sequence[Record]) -> set[UUID]:
    """Record replays, each under its own key. Returns the keys that were new."""
    rows = await connection.fetch(RECORD_REPLAYS, consumer, *_columns(records))
    return {row["key"] for row in rows}


async def remember(
    connection: Connection, consumer: str, source: str, type: str, keys: Sequence[UUID]
) -> None:
    """Record events as handled whose rows, found by natural key, are about to be deleted.

    So far each row itself was the record that its event was handled. An entry that is read again later (a
    lost group starts at 0) must still count as a repeat.
    """
    await connection.execute(REMEMBER, consumer, source, type, keys)


async def forget_rejected(connection: Connection, consumer: str, keys: Iterable[UUID]) -> None:
    """Let replayed dead letters be handled once more."""
    await connection.execute(FORGET_REJECTED, consumer, list(keys))


async def forget_reasons(
    connection: Connection, consumer: str, keys: Sequence[UUID]
) -> tuple[list[UUID], int]:
    """Take the reasons out of rejections, because they may quote the sender. Returns which of ``keys`` were
    rejected, and how many had a reason."""
    rejected = [row["key"] for row in await connection.fetch(LIST_REJECTED, consumer, keys)]
    if not rejected:
        return [], 0
    status: str = await connection.execute(FORGET_REASONS, consumer, rejected, ERASED_REASON)
    return rejected, int(status.rpartition(" ")[2])


async def prune(connection: Connection, *, older_than_seconds: float, limit: int = 1_000) -> int:
    """Delete up to ``limit`` records past their retention. Returns their number."""
    status: str = await connection.execute(PRUNE, older_than_seconds, limit)
    return int(status.rpartition(" ")[2])


LIST_OF_EVENTS = """
SELECT consumer, key, event_id, source, type, outcome, trace_id, handled_at
FROM inbox WHERE event_id = ANY($1::text[]) ORDER BY handled_at
"""


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of an event at one consumer: ``handled``, ``rejected`` or ``replayed``."""

    consumer: str
    key: UUID
    event_id: str
    source: str
    type: str
    outcome: str
    trace_id: str | None
    handled_at: datetime


async def list_of_events(connection: Connection, event_ids: Iterable[str]) -> list[Outcome]:
    """The records of the events with these ids, oldest first."""
    return [Outcome(**row) for row in await connection.fetch(LIST_OF_EVENTS, list(event_ids))]

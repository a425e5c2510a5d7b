"""Transactional outbox: a fact commits with the change it reports, and is published afterwards.

Within a subject, ``sequence`` counts the facts without a gap. It comes from the subject's own row, whose lock
the change holds. So all predecessors of a committed fact are committed too, and ``position`` orders them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backbone.erased_ids import SUBJECT_DIGEST, digest_of_user
from backbone.names import OUTBOX_CHANNEL
from common import trace_context
from common.postgres import Connection
from common.trace_context import TraceContext
from contracts import Contract

APPEND = f"""
WITH appended AS (
    INSERT INTO outbox (stream, event_id, type, source, subject, sequence, traceparent, tracestate,
                        baggage, data)
    SELECT stream, coalesce(id, gen_random_uuid()), type, '/takaro/' || split_part(stream, '.', 1), subject,
           sequence, traceparent, tracestate, baggage, data
    FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[],
                $6::text[], $7::text[], $8::text[], $9::text[])
         AS fact (stream, id, subject, sequence, type, traceparent, tracestate, baggage, data)
)
SELECT pg_notify('{OUTBOX_CHANNEL}', stream) FROM unnest($10::text[]) AS stream
"""  # noqa: S608 - the channel's name is ours
"""A fact's CloudEvents source is the service that owns its stream: ``/takaro/chat``."""


def insert_from(rows: str, stream: str, type: str | None = None) -> str:
    """SQL that records facts of one type within the caller's own statement, from its part ``rows``.

    ``rows`` has the columns place (the order of the facts), subject, sequence, traceparent, tracestate,
    baggage and data (JSON as text); and type, if they are of several types. The statement must also return
    :func:`wake`.
    """
    of_type = "type" if type is None else f"'{type}'"
    return f"""
    INSERT INTO outbox (stream, event_id, type, source, subject, sequence, traceparent, tracestate,
                        baggage, data)
    SELECT '{stream}', gen_random_uuid(), {of_type}, '/takaro/{stream.partition(".")[0]}', subject, sequence,
           traceparent, tracestate, baggage, data
    FROM {rows}
    ORDER BY place
    """  # noqa: S608 - only names of ours


def wake(stream: str) -> str:
    """SQL of a column that wakes the relay of ``stream`` when the statement commits."""
    return f"(SELECT pg_notify('{OUTBOX_CHANNEL}', '{stream}')::text)"


@dataclass(slots=True)
class Fact:
    """A fact to publish on ``stream``. ``trace`` defaults to the running span's context, ``id`` to a
    random one."""

    stream: str
    subject: str
    sequence: int
    data: Contract
    id: UUID | None = None
    trace: TraceContext | None = None


def columns(facts: Sequence[Fact]) -> tuple[Sequence[str | int | None], ...]:
    """The facts' subjects, sequences, types, traces (``traceparent``, ``tracestate``, ``baggage``) and data:
    arrays for a statement with :func:`insert_from`."""
    current = trace_context.current()
    traces = [fact.trace or current for fact in facts]
    return (
        [fact.subject for fact in facts],
        [fact.sequence for fact in facts],
        [fact.data.type for fact in facts],
        [trace.traceparent if trace else None for trace in traces],
        [trace.tracestate if trace else None for trace in traces],
        [trace.baggage if trace else None for trace in traces],
        [fact.data.to_json() for fact in facts],
    )


async def append(connection: Connection, facts: Sequence[Fact]) -> None:
    """Record ``facts`` in the caller's transaction, in this order, in one statement."""
    if not facts:
        return
    streams = [fact.stream for fact in facts]
    await connection.execute(
        APPEND, streams, [fact.id for fact in facts], *columns(facts), sorted(set(streams))
    )


REWRITE = """
UPDATE outbox SET data = ((data::jsonb - $5::text[]) || $6::jsonb)::text
WHERE stream = $1 AND subject = $2 AND type = ANY($3::text[]) AND data::jsonb @> $4::jsonb
"""


async def rewrite(
    connection: Connection,
    stream: str,
    subject: str,
    types: Sequence[str],
    about: Mapping[str, object],
    *,
    without: Sequence[str],
    instead: Mapping[str, object],
) -> None:
    """Take fields out of a subject's facts that aren't published yet, and give others new values.

    Those of these ``types`` whose data has the values of ``about``. The caller's transaction holds the
    subject's row.
    """
    await connection.execute(REWRITE, stream, subject, list(types), about, list(without), instead)


COUNT_BY_STREAM = """
SELECT stream, count(*) AS waiting, min(time) AS oldest,
       extract(epoch FROM clock_timestamp() - min(time))::float8 AS oldest_age_seconds
FROM outbox GROUP BY stream ORDER BY stream
"""


@dataclass(slots=True, frozen=True)
class Backlog:
    """A stream's facts that are committed and not yet published. ``oldest`` is the time of the first."""

    stream: str
    waiting: int
    oldest: datetime
    oldest_age_seconds: float


async def count_by_stream(connection: Connection) -> dict[str, Backlog]:
    """The backlogs that aren't empty, by stream."""
    return {row["stream"]: Backlog(**row) for row in await connection.fetch(COUNT_BY_STREAM)}


LIST_OF_EVENTS = """
SELECT stream, position, event_id, type, subject, sequence, time, traceparent
FROM outbox
WHERE event_id = ANY($1::uuid[]) OR substr(traceparent, 4, 32) = ANY($2::text[]) OR subject = ANY($3::text[])
ORDER BY stream, position
"""


@dataclass(slots=True, frozen=True)
class WaitingFact:
    """A fact that is committed and not yet published, without its data."""

    stream: str
    position: int
    event_id: UUID
    type: str
    subject: str
    sequence: int
    time: datetime
    traceparent: str | None


async def list_of_events(
    connection: Connection,
    event_ids: Collection[UUID],
    trace_ids: Collection[str],
    subjects: Collection[str],
) -> list[WaitingFact]:
    """The waiting facts that have one of these ids or subjects, or belong to one of these traces."""
    rows = await connection.fetch(LIST_OF_EVENTS, list(event_ids), list(trace_ids), list(subjects))
    return [WaitingFact(**row) for row in rows]


LIST_OF_USER = f"""
SELECT position, subject,
       type NOT LIKE '%.user.erased.v1' AND (
           data::jsonb ->> 'userId' = $2 OR data::jsonb ->> 'ownerId' = $2 OR EXISTS (
               SELECT FROM erased_ids JOIN erasures ON erasures.id = erased_ids.erasure_id
               WHERE erased_ids.digest = {SUBJECT_DIGEST.format("outbox.subject")}
                 AND erasures.user_sha256 = $5)) AS is_theirs
FROM outbox WHERE stream = $1 AND position > $3 ORDER BY position LIMIT $4
"""  # noqa: S608 - the name of a column

DELETE = "DELETE FROM outbox WHERE stream = $1 AND position = ANY($2::bigint[])"

IS_WAITING = "SELECT EXISTS (SELECT FROM outbox WHERE stream = $1 AND subject = $2)"


@dataclass(slots=True, frozen=True)
class OwnedFact:
    """A waiting fact, and whether it is about a user."""

    position: int
    subject: str
    is_theirs: bool


async def list_of_user(
    connection: Connection, stream: str, user_id: str, *, after: int, limit: int
) -> list[OwnedFact]:
    """Facts that wait after a position. A user's are those that name the user, or a subject that was erased
    with the user, but for those that tell of an erasure."""
    digest = digest_of_user(user_id)
    rows = await connection.fetch(LIST_OF_USER, stream, user_id, after, limit, digest)
    return [OwnedFact(**row) for row in rows]


async def count_of_user(connection: Connection, stream: str, user_id: str) -> int:
    """How many facts wait that are about a user."""
    count, after = 0, -1
    while found := await list_of_user(connection, stream, user_id, after=after, limit=2_000):
        count, after = count + sum(each.is_theirs for each in found), found[-1].position
    return count


async def delete(connection: Connection, stream: str, positions: Sequence[int]) -> int:
    """Delete facts before they are published. Returns their number. Followers must be told of the gap."""
    status: str = await connection.execute(DELETE, stream, positions)
    return int(status.rpartition(" ")[2])


async def is_waiting(connection: Connection, stream: str, subject: str) -> bool:
    """Whether a fact of this subject isn't published yet."""
    waiting: bool = await connection.fetchval(IS_WAITING, stream, subject)
    return waiting

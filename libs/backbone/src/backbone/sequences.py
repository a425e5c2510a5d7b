"""The last sequences of deleted subjects: a subject recreated under the same id continues from there."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from backbone import erased_ids
from common.postgres import Connection

RETIRE = """
INSERT INTO retired_subjects (subject, sequence, retired_at)
SELECT subject, sequence, clock_timestamp() FROM unnest($1::text[], $2::bigint[]) AS gone (subject, sequence)
ORDER BY subject
ON CONFLICT (subject) DO UPDATE SET sequence = excluded.sequence, retired_at = excluded.retired_at
"""
LIST_RETIRED = "SELECT subject, sequence FROM retired_subjects WHERE subject = ANY($1::text[])"
GET_RETIRED_AT = "SELECT retired_at FROM retired_subjects WHERE subject = $1"


async def retire(connection: Connection, last: Mapping[str, int]) -> None:
    """Store the last sequence of subjects that the caller's transaction deletes."""
    await connection.execute(RETIRE, list(last), list(last.values()))


async def resume(connection: Connection, subjects: Sequence[str]) -> dict[str, int]:
    """The last sequences of those ``subjects`` that existed before. They don't count as erased any more.

    Run it as a separate statement after the insert of a new row. The insert may have waited for a deletion of
    the same id to commit, and only a later snapshot sees the sequence that it stored.
    """
    last = await list_last(connection, subjects)
    if last:
        await erased_ids.forget_subjects(connection, list(last))
    return last


async def list_last(connection: Connection, subjects: Collection[str]) -> dict[str, int]:
    """The last sequences of those of these ``subjects`` that existed before."""
    rows = await connection.fetch(LIST_RETIRED, list(subjects))
    return {row["subject"]: row["sequence"] for row in rows}


async def get_retired_at(connection: Connection, subject: str) -> datetime | None:
    """When ``subject`` was last deleted; ``None`` if never."""
    moment: datetime | None = await connection.fetchval(GET_RETIRED_AT, subject)
    return moment

"""Dead letters: an entry's own fields, with why and when it died, on ``<stream>.dead``.

The dead letter and the acknowledgement of the entry are one Redis transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from common.events import rfc3339
from common.streams.group import Group, RawEntry


@dataclass(slots=True, frozen=True)
class DeadLetter:
    """An entry that won't be handled: ``invalid`` never can be, ``failed`` failed too often."""

    entry: RawEntry
    kind: Literal["invalid", "failed"]
    reason: str
    failures: int = 0


def dead_stream(stream: str) -> str:
    return f"{stream}.dead"


async def bury(group: Group, letters: Sequence[DeadLetter]) -> None:
    """Move entries to the dead letter stream and acknowledge them."""
    if not letters:
        return
    now = rfc3339(datetime.now(UTC))
    pipeline = group.redis.pipeline(transaction=True)
    for letter in letters:
        entry_id, fields = letter.entry
        pipeline.xadd(
            dead_stream(group.stream),
            {
                **{name: value for name, value in fields.items() if not name.startswith(b"dead-")},
                b"dead-stream": group.stream,
                b"dead-id": entry_id,
                b"dead-group": group.name,
                b"dead-reason": letter.reason[:2_000],
                b"dead-kind": letter.kind,
                b"dead-failures": str(letter.failures),
                b"dead-time": now,
            },
        )
    pipeline.xack(group.stream, group.name, *(letter.entry[0] for letter in letters))
    await pipeline.execute()

"""Dead letters: an entry's own fields, plus why and when it failed, on ``<stream>.dead``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from backbone.events import RawEntry, rfc3339
from backbone.handlers import MAX_REASON

Kind: TypeAlias = Literal["invalid", "failed"]

DEAD = ".dead"
"""The suffix of a dead letter stream's name."""


@dataclass(slots=True, frozen=True)
class DeadLetter:
    """Why an entry won't be handled: it is ``invalid``, or it ``failed`` too often."""

    entry: RawEntry
    kind: Kind
    reason: str
    failures: int = 0


def dead_stream(stream: str) -> str:
    """The stream of dead letters of ``stream``: ``<stream>.dead``."""
    return f"{stream}{DEAD}"


def dead_fields(letter: DeadLetter, stream: str, group: str) -> dict[bytes, bytes]:
    """The fields of a dead letter: those of the entry, and ``dead-*``."""
    entry_id, fields = letter.entry
    return {
        **{name: value for name, value in fields.items() if not name.startswith(b"dead-")},
        b"dead-stream": stream.encode(),
        b"dead-id": entry_id.encode(),
        b"dead-group": group.encode(),
        b"dead-reason": letter.reason[:MAX_REASON].encode(errors="replace"),
        b"dead-kind": letter.kind.encode(),
        b"dead-failures": str(letter.failures).encode(),
        b"dead-time": rfc3339(datetime.now(UTC)).encode(),
    }

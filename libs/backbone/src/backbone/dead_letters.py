"""Dead letters: an entry's own fields, plus why and when it failed, on ``<stream>.dead``."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from backbone.events import RawEntry, rfc3339
from backbone.handlers import MAX_REASON
from common import codec

Kind: TypeAlias = Literal["invalid", "failed"]

SECRET_MEMBERS = ("token", "turnToken")
"""Members of a command's data that prove who sent it. A test compares them with the contracts."""

_SECRET = re.compile(rb'"(?:' + "|".join(SECRET_MEMBERS).encode() + rb')"\s*:\s*"(?:[^"\\]|\\.)*"?')
"""Finds them in what isn't JSON."""

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
    """The fields of a dead letter: those of the entry, without secrets, and ``dead-*``."""
    entry_id, fields = letter.entry
    if b"data" in fields:
        fields = {**fields, b"data": without_secrets(fields[b"data"])}
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


def without_secrets(data: bytes) -> bytes:
    """An entry's data as others may read it: what proves who sent it is left out."""
    if not _SECRET.search(data):
        return data
    try:
        decoded = codec.loads(data)
    except ValueError:
        return _SECRET.sub(b'""', data)
    if not isinstance(decoded, dict) or not any(name in decoded for name in SECRET_MEMBERS):
        return data
    return codec.dumps({name: value for name, value in decoded.items() if name not in SECRET_MEMBERS})

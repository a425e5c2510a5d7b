"""The streams as an operator sees them: which there are, page by page, and each entry readable."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from redis import exceptions
from redis.asyncio import Redis

from backbone.events import Event, MalformedEntry, decode_entry, rfc3339
from contracts import Contract, chat, cockpit, knowledge
from takaro_operator.output import json_or_text

COMMANDS: dict[str, dict[str, type[Contract]]] = {
    owner.COMMANDS_STREAM: {contract.type: contract for contract in owner.COMMANDS}
    for owner in (chat, knowledge, cockpit)
}
"""Contracts of the commands that each stream's owner takes, by type."""

FACTS: dict[str, dict[str, type[Contract]]] = {
    owner.FACTS_STREAM: {contract.type: contract for contract in owner.FACTS}
    for owner in (chat, knowledge, cockpit)
}
CONTRACTS = COMMANDS | FACTS
KNOWN_STREAMS = tuple(CONTRACTS)
DEAD = ".dead"

RawEntry: TypeAlias = tuple[str, dict[bytes, bytes]]


@dataclass(slots=True, frozen=True)
class Entry:
    """An entry of a stream; ``event`` is ``None`` for one that is no event, and ``problem`` says why."""

    stream: str
    entry_id: str
    fields: dict[bytes, bytes]
    event: Event | None
    problem: str | None

    @classmethod
    def read(cls, stream: str, raw: RawEntry) -> "Entry":
        entry_id, fields = raw
        try:
            return cls(stream, entry_id, fields, decode_entry(stream, entry_id, fields), None)
        except MalformedEntry as error:
            return cls(stream, entry_id, fields, None, str(error))

    @property
    def trace_id(self) -> str | None:
        return trace_id_of(self.event.traceparent) if self.event else None

    @property
    def order(self) -> tuple[int, int]:
        return order(self.entry_id)

    @property
    def sequence(self) -> int | None:
        digits = self.fields.get(b"sequence", b"")
        return int(digits) if digits.isdigit() else None

    def to_json(self) -> dict[str, Any]:
        """``stream, entryId, at`` and the event's keys; ``problem`` and ``fields`` where it is none."""
        found: dict[str, Any] = {
            "stream": self.stream,
            "entryId": self.entry_id,
            "at": rfc3339(moment_of(self.entry_id)),
        }
        if self.event is None:
            texts = {text(name): text(value) for name, value in self.fields.items()}
            return {**found, "problem": self.problem, "fields": texts}
        event = self.event
        return {
            **found,
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "sequence": self.sequence,
            "traceparent": event.traceparent,
            "traceId": self.trace_id,
            "data": json_or_text(event.data),
        }


async def discover(redis: Redis) -> list[str]:
    """The event streams that exist: ours first, each with its dead letters behind it.

    Names with a colon are other programs' (BullMQ's ``bull:<queue>:events``). Where SCAN isn't allowed, only
    the known names are looked for.
    """
    found = set()
    try:
        async for key in redis.scan_iter(count=1_000, _type="stream"):
            name = text(key)
            if ":" not in name:
                found.add(name)
    except exceptions.NoPermissionError:
        for name in [name for known in KNOWN_STREAMS for name in (known, known + DEAD)]:
            if await redis.exists(name):
                found.add(name)
    return sorted(found, key=_rank)


def _rank(stream: str) -> tuple[int, str, bool]:
    home = stream.removesuffix(DEAD)
    rank = KNOWN_STREAMS.index(home) if home in KNOWN_STREAMS else len(KNOWN_STREAMS)
    return rank, home, stream.endswith(DEAD)


async def pages(
    redis: Redis,
    stream: str,
    first: str = "-",
    last: str = "+",
    *,
    size: int = 200,
    newest_first: bool = False,
) -> AsyncIterator[Sequence[RawEntry]]:
    """Entries from ``first`` to ``last`` (bounds as XRANGE takes them), ``size`` at a time."""
    while True:
        rows: Any
        if newest_first:
            rows = await redis.xrevrange(stream, max=last, min=first, count=size)
        else:
            rows = await redis.xrange(stream, min=first, max=last, count=size)
        if not rows:
            return
        yield [(text(entry_id), fields) for entry_id, fields in rows]
        edge = f"({text(rows[-1][0])}"
        first, last = (first, edge) if newest_first else (edge, last)


async def last_id(redis: Redis, stream: str) -> str:
    """The last id that the stream has given; ``0-0`` where there is no such stream."""
    try:
        info: Any = await redis.xinfo_stream(stream)
    except exceptions.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return "0-0"
    return text(info["last-generated-id"])


def order(entry_id: str) -> tuple[int, int]:
    """Entry ids as they are ordered."""
    milliseconds, _, counter = entry_id.partition("-")
    return int(milliseconds), int(counter or 0)


def moment_of(entry_id: str) -> datetime:
    """When an entry was added, by its id; ids out of a calendar's reach are cut off at its ends."""
    milliseconds = min(order(entry_id)[0], 253_402_300_799_999)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def age_of(entry_id: str) -> float:
    """Seconds since an entry was added, by its id and this machine's clock; negative for one ahead of it."""
    return time.time() - order(entry_id)[0] / 1000


def trace_id_of(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None


def text(value: bytes | str) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value

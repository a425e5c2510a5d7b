"""Finding one event in the streams, and the facts that tell of it: newest entries first, so many a stream."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from redis.asyncio import Redis

from common import codec
from takaro_operator.entries import COMMANDS, DEAD, Entry, RawEntry, discover, pages, text
from takaro_operator.letters import Letter

ENTRY_ID = re.compile(r"\d{1,20}-\d{1,20}")
PAGE = 1_000

Progress = Callable[[str, int], None]
"""Told the stream and how many of its entries were looked at."""


@dataclass(slots=True)
class Clues:
    """What an event is known by. All grow while it is searched for."""

    ids: set[str] = field(default_factory=set)
    keys: set[UUID] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)

    def size(self) -> int:
        return len(self.ids) + len(self.keys) + len(self.traces)


@dataclass(slots=True)
class Found:
    """``entries`` and ``letters`` are the event itself, ``facts`` others of its trace or that name it."""

    clues: Clues
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    letters: dict[tuple[str, str], Letter] = field(default_factory=dict)
    facts: dict[tuple[str, str], Entry] = field(default_factory=dict)
    searched: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """By stream: how many entries were looked at, and whether it were all."""


async def resolve(redis: Redis, given: str) -> str:
    """The event id that is meant: of an entry's id the event's own, else what was given."""
    if ENTRY_ID.fullmatch(given):
        for stream in await discover(redis):
            if stream.endswith(DEAD):
                continue
            async for page in pages(redis, stream, given, given):
                event = Entry.read(stream, page[0]).event
                if event is not None:
                    return event.id
    return given


async def search(redis: Redis, clues: Clues, depth: int, progress: Progress) -> Found:
    """Look at the newest ``depth`` entries of each stream, commands and dead letters before facts.

    Streams of facts are looked at again when more became known after they were.
    """
    found = Found(clues)
    streams = sorted(await discover(redis), key=lambda name: name not in COMMANDS and not name.endswith(DEAD))
    known: dict[str, int] = {}
    for stream in [*streams, *streams]:
        if stream in known and (known[stream] == clues.size() or stream in COMMANDS or stream.endswith(DEAD)):
            continue
        before = clues.size()
        await _scan(redis, stream, found, depth, progress)
        known[stream] = before
    return found


async def _scan(redis: Redis, stream: str, found: Found, depth: int, progress: Progress) -> None:
    seen, size = 0, min(PAGE, depth)
    async for page in pages(redis, stream, size=size, newest_first=True):
        for raw in page[: depth - seen]:
            if _promising(found.clues, raw):
                _classify(found, stream, raw)
        seen += len(page)
        progress(stream, min(seen, depth))
        if seen >= depth:
            break
    found.searched[stream] = (min(seen, depth), seen <= depth and seen >= await redis.xlen(stream))


def _promising(clues: Clues, raw: RawEntry) -> bool:
    """A cheap look before an entry is decoded."""
    entry_id, fields = raw
    if b"__data__" in fields:
        return True
    own_id = fields.get(b"id") or fields.get(b"dead-id") or entry_id.encode()
    if text(own_id) in clues.ids or entry_id in clues.ids:
        return True
    return text(fields.get(b"traceparent", b"")[3:35]) in clues.traces or _names(clues, fields)


def _names(clues: Clues, fields: dict[bytes, bytes]) -> bool:
    """Whether the data has the event's id, or the key that effects are stored under, as a string."""
    data = fields.get(b"data", b"")
    words = {*clues.ids, *map(str, clues.keys)}
    return any(codec.dumps(word) in data for word in words)


def _classify(found: Found, stream: str, raw: RawEntry) -> None:
    clues, place = found.clues, (stream, raw[0])
    if stream.endswith(DEAD):
        letter = Letter.read(stream, raw)
        if {letter.event_id, letter.entry_id, letter.original_id} & clues.ids:
            found.letters[place] = letter
            _learn(clues, letter.event_id, letter.key, letter.trace_id)
        return
    entry = Entry.read(stream, raw)
    if entry.event is None:
        return
    if entry.event.id in clues.ids or entry.entry_id in clues.ids:
        found.entries[place] = entry
        found.facts.pop(place, None)
        _learn(clues, entry.event.id, entry.event.key(), entry.trace_id)
    elif stream not in COMMANDS and (entry.trace_id in clues.traces or _names(clues, entry.fields)):
        found.facts[place] = entry


def _learn(clues: Clues, event_id: str, key: UUID, trace_id: str | None) -> None:
    clues.ids.add(event_id)
    clues.keys.add(key)
    if trace_id:
        clues.traces.add(trace_id)


def in_order(entries: dict[tuple[str, str], Entry]) -> Sequence[Entry]:
    """Oldest first, by the entries' ids."""
    return sorted(entries.values(), key=lambda entry: entry.order)

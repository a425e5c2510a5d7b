"""Searching the streams for one event and the facts that mention it, newest entries first."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from redis.asyncio import Redis

from backbone.dead_letters import DEAD
from backbone.events import RawEntry
from backbone.redis_streams.entry_ids import order, text
from backbone.redis_streams.letters import Letter
from backbone.redis_streams.reading import count_entries, discover, pages
from common import codec
from takaro_operator.entries import COMMANDS, KNOWN_STREAMS, Entry

ENTRY_ID = re.compile(r"\d{1,20}-\d{1,20}")
PAGE = 1_000

Progress = Callable[[str, int], None]
"""Called with a stream and how many of its entries were searched so far."""


@dataclass(slots=True)
class Clues:
    """What an event is recognised by. The search adds what it learns."""

    ids: set[str] = field(default_factory=set)
    keys: set[UUID] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)

    def size(self) -> int:
        return len(self.ids) + len(self.keys) + len(self.traces)


@dataclass(slots=True)
class Found:
    """``entries`` and ``letters`` hold the event, ``facts`` those of its trace or with its id or key.

    If the id is that of a conversation, session or base, ``commands`` holds those about it, and ``letters``
    and ``facts`` do too.
    """

    clues: Clues
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    letters: dict[tuple[str, str], Letter] = field(default_factory=dict)
    facts: dict[tuple[str, str], Entry] = field(default_factory=dict)
    commands: dict[tuple[str, str], Entry] = field(default_factory=dict)
    searched: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """By stream: how many entries were searched, and whether those were all."""


async def resolve(redis: Redis, given: str) -> str:
    """The event id that ``given`` stands for: if it is the id of a stream entry, that of the event in it."""
    if ENTRY_ID.fullmatch(given):
        for stream in await discover(redis, KNOWN_STREAMS):
            if stream.endswith(DEAD):
                continue
            async for page in pages(redis, stream, given, given):
                event = Entry.read(stream, page[0]).event
                if event is not None:
                    return event.id
    return given


async def search(redis: Redis, clues: Clues, depth: int, progress: Progress) -> Found:
    """Search the newest ``depth`` entries of each stream: commands and dead letters first, then facts.

    A stream of facts is searched again if the clues have grown since.
    """
    found = Found(clues)
    found_streams = await discover(redis, KNOWN_STREAMS)
    streams = sorted(found_streams, key=lambda name: name not in COMMANDS and not name.endswith(DEAD))
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
    found.searched[stream] = (min(seen, depth), seen <= depth and seen >= await count_entries(redis, stream))


def _promising(clues: Clues, raw: RawEntry) -> bool:
    """A cheap test, by the raw fields, before an entry is decoded."""
    entry_id, fields = raw
    if b"__data__" in fields:
        return True
    own_id = fields.get(b"id") or fields.get(b"dead-id") or entry_id.encode()
    if text(own_id) in clues.ids or entry_id in clues.ids:
        return True
    if text(fields.get(b"traceparent", b"")[3:35]) in clues.traces:
        return True
    return text(fields.get(b"subject", b"")) in clues.ids or _names(clues, fields)


def _names(clues: Clues, fields: dict[bytes, bytes]) -> bool:
    """Whether the data contains the event's id, or the key of its effects, as a JSON string."""
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
        elif any(letter.is_about(subject) for subject in clues.ids):
            found.letters[place] = letter
        return
    entry = Entry.read(stream, raw)
    if entry.event is None:
        return
    if entry.event.id in clues.ids or entry.entry_id in clues.ids:
        found.entries[place] = entry
        found.facts.pop(place, None)
        _learn(clues, entry.event.id, entry.event.key(), entry.trace_id)
    elif stream in COMMANDS:
        if any(entry.is_about(subject) for subject in clues.ids):
            found.commands[place] = entry
    elif entry.trace_id in clues.traces or entry.event.subject in clues.ids or _names(clues, entry.fields):
        found.facts[place] = entry


def _learn(clues: Clues, event_id: str, key: UUID, trace_id: str | None) -> None:
    clues.ids.add(event_id)
    clues.keys.add(key)
    if trace_id:
        clues.traces.add(trace_id)


def oldest_first(letters: dict[tuple[str, str], Letter]) -> Sequence[Letter]:
    """In the order in which they were given up."""
    return sorted(letters.values(), key=lambda letter: order(letter.entry_id))


def in_order(entries: dict[tuple[str, str], Entry]) -> Sequence[Entry]:
    """Oldest first, by entry id."""
    return sorted(entries.values(), key=lambda entry: entry.order)

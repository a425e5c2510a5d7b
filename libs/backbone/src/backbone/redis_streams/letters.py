"""Stored dead letters: find them by filters, replay them, drop them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from backbone.dead_letters import DEAD, dead_stream
from backbone.events import Event, MalformedEntry, RawEntry, decode_entry, is_about
from backbone.redis_streams.entry_ids import moment_of, text
from backbone.redis_streams.reading import discover, last_id, pages

PAGE = 100


@dataclass(slots=True, frozen=True)
class Letter:
    """A dead letter. Everything but ``dead_stream``, ``entry_id`` and ``fields`` describes the original
    event."""

    dead_stream: str
    entry_id: str
    fields: dict[bytes, bytes]
    event_id: str
    source: str
    type: str
    subject: str | None
    trace_id: str | None

    @classmethod
    def read(cls, stream: str, raw: RawEntry) -> "Letter":
        """Read an entry of a dead letter stream. Its type is empty if the original entry wasn't an event."""
        entry_id, fields = raw
        home = text(fields.get(b"dead-stream") or stream.removesuffix(DEAD).encode())
        original_id = text(fields.get(b"dead-id") or entry_id.encode())
        own = own_fields(fields)
        event: Event | None
        try:
            event = decode_entry(home, original_id, own)
        except MalformedEntry as error:
            event = error.event
        if event is None:
            event = Event(
                id=text(own.get(b"id") or original_id),
                source=text(own.get(b"source") or f"/streams/{home}"),
                type=text(own.get(b"type", b"")),
                data=b"",
                stream=home,
                entry_id=original_id,
                subject=text(own[b"subject"]) if b"subject" in own else None,
            )
        trace_id = event.trace.trace_id if event.trace else None
        return cls(stream, entry_id, fields, event.id, event.source, event.type, event.subject, trace_id)

    @property
    def home(self) -> str:
        """The stream that the entry comes from."""
        return self.note("stream") or self.dead_stream.removesuffix(DEAD)

    @property
    def original_id(self) -> str:
        """The id that the entry had in that stream."""
        return self.note("id") or self.entry_id

    @property
    def key(self) -> UUID:
        """The original event's key, in the inbox and in its effects."""
        return Event(self.event_id, self.source, self.type, b"", self.home, self.original_id).key()

    @property
    def died_at(self) -> datetime:
        """When the consumer gave the entry up."""
        return moment_of(self.entry_id)

    def is_about(self, subject: str) -> bool:
        """Whether the original event's subject is ``subject``, or its data names it."""
        return is_about(self.subject, self.fields.get(b"data", b""), subject)

    def note(self, name: str) -> str:
        """The consumer's notes: ``reason``, ``kind``, ``group``, ``failures`` …; each empty if absent."""
        return text(self.fields.get(b"dead-" + name.encode(), b""))

    def replay_fields(self) -> dict[Any, Any]:
        """The fields that a replay adds to the stream: the entry's own, its id and source, and a new
        ``replay``.

        The consumer forgets a rejection once for each ``replay``. Id and source stay, so an event that
        already had its effect doesn't have it again.
        """
        identity = {b"id": self.event_id, b"source": self.source, b"replay": str(uuid4())}
        return {**own_fields(self.fields), **identity}


def own_fields(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The original entry's fields, without the consumer's notes."""
    return {name: value for name, value in fields.items() if not name.startswith(b"dead-")}


@dataclass(slots=True, frozen=True)
class Filters:
    """Selects dead letters: those that match every given filter."""

    ids: Sequence[str] = ()
    stream: str | None = None
    type: str | None = None
    kind: str | None = None
    reason: str | None = None
    subject: str | None = None
    since: datetime | None = None

    @property
    def given(self) -> bool:
        """Whether any filter is given."""
        return any(getattr(self, name) for name in self.__slots__)

    def match(self, letter: Letter) -> bool:
        return (
            (not self.ids or bool({letter.entry_id, letter.original_id, letter.event_id} & set(self.ids)))
            and (self.type is None or fnmatchcase(letter.type, self.type))
            and (self.kind is None or letter.note("kind") == self.kind)
            and (self.reason is None or self.reason.casefold() in letter.note("reason").casefold())
            and (self.subject is None or letter.is_about(self.subject))
            and (self.since is None or letter.died_at >= self.since)
        )


async def find(
    redis: Redis, filters: Filters, limit: int | None = None, *, known: Sequence[str] = ()
) -> AsyncIterator[list[Letter]]:
    """Pages of the matching letters, stream by stream, oldest first, up to ``limit`` in all.

    Finds and sorts streams as :func:`~backbone.redis_streams.reading.discover` does. Letters that are written
    meanwhile are left out, so a replay never takes up an entry that fails during it.
    """
    wanted = dead_stream(filters.stream.removesuffix(DEAD)) if filters.stream else None
    found = await discover(redis, known)
    streams = [name for name in found if name.endswith(DEAD) and wanted in (None, name)]
    ends = {stream: await last_id(redis, stream) for stream in streams}
    first = str(int(filters.since.timestamp() * 1000)) if filters.since else "-"
    left = limit
    for stream, end in ends.items():
        async for page in pages(redis, stream, first, end, size=PAGE):
            matching = [letter for raw in page if filters.match(letter := Letter.read(stream, raw))]
            if left is not None:
                matching = matching[:left]
                left -= len(matching)
            if matching:
                yield matching
            if left == 0:
                return


async def replay(redis: Redis, letters: Sequence[Letter]) -> dict[str, str]:
    """Add letters to their streams again and delete them, in one transaction. Returns new ids by old ids."""
    pipeline = redis.pipeline(transaction=True)
    for letter in letters:
        pipeline.xadd(letter.home, letter.replay_fields())
        pipeline.xdel(letter.dead_stream, letter.entry_id)
    answers = await pipeline.execute()
    return {letter.entry_id: text(new) for letter, new in zip(letters, answers[::2], strict=True)}


async def drop(redis: Redis, letters: Sequence[Letter]) -> int:
    """Delete letters permanently. Returns their number."""
    total = 0
    for start in range(0, len(letters), PAGE):
        pipeline = redis.pipeline(transaction=True)
        for letter in letters[start : start + PAGE]:
            pipeline.xdel(letter.dead_stream, letter.entry_id)
        total += sum(await pipeline.execute())
    return total

"""Dead letters as they are stored: found by filters, sent again, deleted."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from backbone.events import Event, MalformedEntry, decode_entry, rfc3339
from takaro_operator.entries import DEAD, RawEntry, discover, last_id, moment_of, pages, text, trace_id_of
from takaro_operator.output import json_or_text


@dataclass(slots=True, frozen=True)
class Letter:
    """A dead letter. ``event_id`` and ``source`` are the original event's, so that it keeps its key."""

    dead_stream: str
    entry_id: str
    fields: dict[bytes, bytes]
    event_id: str
    source: str
    type: str
    subject: str | None
    traceparent: str | None

    @classmethod
    def read(cls, dead_stream: str, raw: RawEntry) -> "Letter":
        """Read an entry of a dead letter stream; one that never was an event has no type."""
        entry_id, fields = raw
        home = text(fields.get(b"dead-stream") or dead_stream.removesuffix(DEAD).encode())
        original_id = text(fields.get(b"dead-id") or entry_id.encode())
        own = own_fields(fields)
        event: Event | None
        try:
            event = decode_entry(home, original_id, own)
        except MalformedEntry as error:
            event = error.event
        if event is None:
            event_id, source = text(own.get(b"id") or original_id), text(own.get(b"source", b""))
            return cls(
                dead_stream,
                entry_id,
                fields,
                event_id,
                source or f"/streams/{home}",
                text(own.get(b"type", b"")),
                text(own[b"subject"]) if b"subject" in own else None,
                None,
            )
        return cls(
            dead_stream,
            entry_id,
            fields,
            event.id,
            event.source,
            event.type,
            event.subject,
            event.traceparent,
        )

    @property
    def home(self) -> str:
        """The stream it comes from."""
        return self.note("stream") or self.dead_stream.removesuffix(DEAD)

    @property
    def original_id(self) -> str:
        """The id that its entry had in that stream."""
        return self.note("id") or self.entry_id

    @property
    def key(self) -> UUID:
        """The original event's key, in the inbox and of its effects."""
        return Event(self.event_id, self.source, self.type, b"", self.home, self.original_id).key()

    @property
    def trace_id(self) -> str | None:
        return trace_id_of(self.traceparent)

    @property
    def died_at(self) -> datetime:
        return moment_of(self.entry_id)

    def note(self, name: str) -> str:
        """What the consumer noted: ``reason``, ``kind``, ``group``, ``failures`` …; empty when it didn't."""
        return text(self.fields.get(b"dead-" + name.encode(), b""))

    def to_json(self) -> dict[str, Any]:
        failures = self.note("failures")
        return {
            "stream": self.home,
            "deadStream": self.dead_stream,
            "entryId": self.entry_id,
            "originalEntryId": self.original_id,
            "group": self.note("group"),
            "kind": self.note("kind"),
            "reason": self.note("reason"),
            "failures": int(failures) if failures.isdecimal() else None,
            "diedAt": rfc3339(self.died_at),
            "id": self.event_id,
            "source": self.source,
            "type": self.type or None,
            "subject": self.subject,
            "traceId": self.trace_id,
        }

    def to_full_json(self) -> dict[str, Any]:
        """:meth:`to_json` and the entry's own ``fields``; ``data`` as JSON when it is."""
        fields: dict[str, Any] = {
            text(name): json_or_text(value) if name == b"data" else text(value)
            for name, value in own_fields(self.fields).items()
        }
        return {**self.to_json(), "fields": fields}

    def replay_fields(self) -> dict[Any, Any]:
        """What goes back into the stream: the entry's own fields, its identity, and a mark of its own.

        The mark lets the consumer forget the rejection, once a replay. The identity stays, so that an event
        which had its effect has it no second time.
        """
        identity = {b"id": self.event_id, b"source": self.source, b"replay": str(uuid4())}
        return {**own_fields(self.fields), **identity}


def own_fields(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {name: value for name, value in fields.items() if not name.startswith(b"dead-")}


@dataclass(slots=True, frozen=True)
class Filters:
    """Which dead letters are meant; all that are given must fit."""

    ids: Sequence[str] = ()
    stream: str | None = None
    type: str | None = None
    kind: str | None = None
    reason: str | None = None
    subject: str | None = None
    since: datetime | None = None

    @property
    def given(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)

    def fit(self, letter: Letter) -> bool:
        return (
            (not self.ids or bool({letter.entry_id, letter.original_id, letter.event_id} & set(self.ids)))
            and (self.type is None or fnmatchcase(letter.type, self.type))
            and (self.kind is None or letter.note("kind") == self.kind)
            and (self.reason is None or self.reason.casefold() in letter.note("reason").casefold())
            and (self.subject is None or letter.subject == self.subject)
            and (self.since is None or letter.died_at >= self.since)
        )


async def find(redis: Redis, filters: Filters, limit: int | None = None) -> AsyncIterator[list[Letter]]:
    """Pages of the letters that fit, stream by stream, oldest first, ``limit`` in all.

    Letters that die while it runs are not found: what is replayed and dies again comes round once only.
    """
    wanted = f"{filters.stream.removesuffix(DEAD)}{DEAD}" if filters.stream else None
    streams = [name for name in await discover(redis) if name.endswith(DEAD) and wanted in (None, name)]
    ends = {stream: await last_id(redis, stream) for stream in streams}
    first = str(int(filters.since.timestamp() * 1000)) if filters.since else "-"
    left = limit
    for stream, end in ends.items():
        async for page in pages(redis, stream, first, end, size=100):
            fitting = [letter for raw in page if filters.fit(letter := Letter.read(stream, raw))]
            if left is not None:
                fitting = fitting[:left]
                left -= len(fitting)
            if fitting:
                yield fitting
            if left == 0:
                return


async def replay(redis: Redis, letters: Sequence[Letter]) -> dict[str, str]:
    """Send letters back into their streams and delete them, in one transaction; the new ids by the old."""
    pipeline = redis.pipeline(transaction=True)
    for letter in letters:
        pipeline.xadd(letter.home, letter.replay_fields())
        pipeline.xdel(letter.dead_stream, letter.entry_id)
    answers = await pipeline.execute()
    return {letter.entry_id: text(new) for letter, new in zip(letters, answers[::2], strict=True)}


async def drop(redis: Redis, letters: Sequence[Letter]) -> int:
    """Delete letters for good; how many it were."""
    pipeline = redis.pipeline(transaction=True)
    for letter in letters:
        pipeline.xdel(letter.dead_stream, letter.entry_id)
    return sum(await pipeline.execute())

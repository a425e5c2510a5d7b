"""How a follower reads a Redis stream, without reading it: generators that yield each command and get its
answer. :mod:`takaro_agent_client.events.redis` runs them, sync and async.

The commands are those of docs/events.md: a group from the start of the stream, first what this consumer was
given and hasn't acknowledged, then what a lost consumer left, then what is new.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from takaro_agent_client.events.envelope import Fact, fact_of
from takaro_agent_client.events.memory import InProcess, erased_by, handled, recognise

Commands: TypeAlias = Generator["Command", Any, "Sequence[Fact]"]
_GONE, _EXISTS = "NOGROUP", "BUSYGROUP"


@dataclass(frozen=True, slots=True)
class Command:
    """Redis commands, run in one transaction if there are several. An error whose text begins with one of
    ``expected`` is the answer, not raised."""

    parts: Sequence[Sequence[str | int]]
    expected: Sequence[str] = ()


class Expected(Exception):
    """Thrown into a flow: Redis answered with an error that the command expects."""


@dataclass(slots=True)
class GroupReader:
    """Reads ``stream`` as ``consumer`` of ``group``. One consumer of a group at a time keeps the order.

    ``kept`` is the key of a hash in which Redis keeps what was handled, so that it is known after a restart;
    ``None`` forgets it with the process.
    """

    stream: str
    group: str
    consumer: str
    count: int = 100
    block_milliseconds: int = 1_000
    claim_after_milliseconds: int = 60_000
    kept: str | None = None
    lost: Callable[[], None] | None = None
    memory: InProcess = field(default_factory=InProcess)
    quiet: bool = False
    _own: str | None = "0"
    _claim: str | None = "0-0"

    def start(self) -> Commands:
        """Make the group, unless it is there, and read what it remembers."""
        self._own, self._claim = "0", "0-0"
        yield from self._create()
        if self.kept is not None:
            found = yield Command([("HGETALL", self.kept)])
            self.memory.load(_pairs(found))
        return []

    def read(self) -> Commands:
        """The next facts; those known already are acknowledged and left out. ``quiet``: nothing came."""
        self.quiet = False
        try:
            entries = yield from self._entries()
        except Expected:  # the group is gone: it was silent for too long, or Redis lost its data
            if self.lost is not None:
                self.lost()
            yield from self._create()
            self._own, self._claim = None, None
            return []
        facts: list[Fact] = []
        useless: list[str] = []
        for position, fields in entries:
            fact = fact_of(self.stream, position, fields) if fields is not None else None
            if fact is None or recognise(self.memory, fact) is None:
                useless.append(position)
            else:
                facts.append(fact)
        if useless:
            yield Command([("XACK", self.stream, self.group, *useless)], (_GONE,))
        return facts

    def seen(self, fact: Fact) -> Fact | None:
        """The fact as the caller gets it; ``None`` if an earlier one of the same answer was the same."""
        return recognise(self.memory, fact)

    def done(self, fact: Fact) -> Commands:
        """The fact was handled: acknowledge it, and keep that in the same transaction."""
        remembered = handled(self.memory, fact)
        parts: list[Sequence[str | int]] = [("XACK", self.stream, self.group, fact.position)]
        if self.kept is not None and remembered is not None:
            ended = fact.type.endswith(".deleted.v1")  # nothing more comes of this subject
            kept = ("HDEL", self.kept, fact.subject)
            parts.append(kept if ended else ("HSET", self.kept, fact.subject, remembered.encode()))
            if erased := erased_by(fact):
                parts.append(("HDEL", self.kept, *erased))
        yield Command(parts)
        return []

    def _entries(self) -> "Generator[Command, Any, Sequence[tuple[str, Mapping[str, str] | None]]]":
        who = ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", self.count)
        if self._own is not None:
            answer = yield Command([(*who, "STREAMS", self.stream, self._own)], (_GONE,))
            entries = _read(answer)
            self._own = entries[-1][0] if entries else None
            if entries:
                return entries
        if self._claim is not None:
            idle = self.claim_after_milliseconds
            claim = ("XAUTOCLAIM", self.stream, self.group, self.consumer, idle, self._claim)
            answer = yield Command([(*claim, "COUNT", self.count)], (_GONE,))
            self._claim = None if _text(answer[0]) == "0-0" else _text(answer[0])
            entries = [(_text(position), _fields(fields)) for position, fields in answer[1]]
            if entries:
                return entries
        block = ("BLOCK", self.block_milliseconds)
        answer = yield Command([(*who, *block, "STREAMS", self.stream, ">")], (_GONE,))
        if not answer:
            self.quiet = True
            self._claim = "0-0"  # look again for what another consumer left
        return _read(answer)

    def _create(self) -> Commands:
        with suppress(Expected):
            yield Command([("XGROUP", "CREATE", self.stream, self.group, "0", "MKSTREAM")], (_EXISTS,))
        return []


def _read(answer: Any) -> list[tuple[str, Mapping[str, str] | None]]:
    streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer or ()]
    return [(_text(position), _fields(fields)) for entries in streams for position, fields in entries]


def _fields(fields: Any) -> Mapping[str, str] | None:
    """An entry's fields; ``None`` if it was deleted from the stream."""
    return None if fields is None else dict(_pairs(fields))


def _pairs(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [(_text(name), _text(text)) for name, text in value.items()]
    texts = [_text(item) for item in value]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@dataclass(slots=True)
class PositionReader:
    """Reads ``stream`` after ``position`` (``0`` for all of it, ``$`` for what is new), without a group.

    The caller keeps the position of what it has handled. What Redis trims before it is read is lost, which
    a fact's ``missed`` tells.
    """

    stream: str
    position: str = "0"
    count: int = 100
    block_milliseconds: int = 1_000
    memory: InProcess = field(default_factory=InProcess)
    quiet: bool = False

    def start(self) -> Commands:
        """Turn ``$`` into the newest position, so that nothing is missed between two reads."""
        if self.position == "$":
            newest = yield Command([("XREVRANGE", self.stream, "+", "-", "COUNT", 1)])
            self.position = _text(newest[0][0]) if newest else "0"
        return []

    def read(self) -> Commands:
        """The next facts. ``quiet``: nothing came."""
        parts = ("COUNT", self.count, "BLOCK", self.block_milliseconds, "STREAMS", self.stream, self.position)
        entries = _read((yield Command([("XREAD", *parts)])))
        self.quiet = not entries
        if entries:
            self.position = entries[-1][0]
        return [fact for at, fields in entries if (fact := fact_of(self.stream, at, fields or {}))]

    def seen(self, fact: Fact) -> Fact | None:
        """The fact as the caller gets it; ``None`` for a repeat."""
        return recognise(self.memory, fact)

    def done(self, fact: Fact) -> Commands:
        """The fact was handled."""
        handled(self.memory, fact)
        yield from ()
        return []

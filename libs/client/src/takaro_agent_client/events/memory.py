"""What a follower has handled: enough to know what comes twice, and what is missing.

The facts of a subject are numbered without gaps. So the newest number and the numbers that are missing below
it say all, whatever the order in which facts come. Events without a number are known by their id.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from takaro_agent_client.events.envelope import Fact

V = TypeVar("V")

MAX_MISSING = 1_000
"""Missing numbers of a subject that are remembered; of more, the oldest are given up."""


@dataclass(slots=True)
class Remembered:
    """One subject: facts from ``first`` to ``last`` were handled, but for the ``missing`` ones."""

    first: int
    last: int
    missing: set[int] = field(default_factory=set)

    def knows(self, sequence: int) -> bool:
        """Whether this one was handled."""
        return self.first <= sequence <= self.last and sequence not in self.missing

    def missed_before(self, sequence: int) -> int:
        """How many facts would be missing just before this one."""
        return max(0, sequence - self.last - 1)

    def add(self, sequence: int) -> None:
        """It was handled."""
        if sequence > self.last:
            self.missing.update(range(max(self.last + 1, sequence - MAX_MISSING), sequence))
            self.last = sequence
        elif sequence < self.first:
            self.missing.update(range(sequence + 1, min(self.first, sequence + MAX_MISSING)))
            self.first = sequence
        self.missing.discard(sequence)
        for oldest in sorted(self.missing)[: max(0, len(self.missing) - MAX_MISSING)]:
            self.missing.discard(oldest)

    def encode(self) -> str:
        """As text, for a store."""
        return json.dumps([self.first, self.last, *sorted(self.missing)])

    @classmethod
    def decode(cls, text: str) -> "Remembered":
        """From :meth:`encode`."""
        first, last, *missing = json.loads(text)
        return cls(first, last, set(missing))


class Memory(Protocol):
    """Keeps what was handled. Yours may live in your database, written in the transaction of the effects."""

    def get(self, fact: Fact) -> Remembered | None:
        """What is known of the fact's subject."""

    def knows_id(self, id: str) -> bool:
        """Whether an event without a number was handled."""

    def put(self, fact: Fact, remembered: Remembered | None) -> None:
        """The fact was handled; ``remembered`` is what is known of its subject now."""


class InProcess:
    """Remembers the subjects and ids that were seen last, until the process ends."""

    def __init__(self, max_subjects: int = 100_000) -> None:
        self._max = max_subjects
        self._subjects: OrderedDict[str, Remembered] = OrderedDict()
        self._ids: OrderedDict[str, None] = OrderedDict()

    def get(self, fact: Fact) -> Remembered | None:
        return self._subjects.get(fact.subject)

    def knows_id(self, id: str) -> bool:
        return id in self._ids

    def put(self, fact: Fact, remembered: Remembered | None) -> None:
        if remembered is not None:
            _keep(self._subjects, fact.subject, remembered, self._max)
        _keep(self._ids, fact.id, None, self._max)

    def forget(self, subjects: Iterable[str]) -> None:
        """Their facts no longer exist: what comes of them later begins anew."""
        for subject in subjects:
            self._subjects.pop(subject, None)

    def load(self, subjects: Iterable[tuple[str, str]]) -> None:
        """Take what a store kept, as pairs of subject and :meth:`Remembered.encode`."""
        for subject, text in subjects:
            _keep(self._subjects, subject, Remembered.decode(text), self._max)


def recognise(memory: Memory, fact: Fact) -> Fact | None:
    """The fact, with how many were missed before it; ``None`` if it was handled before."""
    if memory.knows_id(fact.id):
        return None
    if fact.sequence is None or not fact.subject:
        return fact
    known = memory.get(fact)
    if known is None:
        return fact
    if known.knows(fact.sequence):
        return None
    return replace(fact, missed=known.missed_before(fact.sequence))


def handled(memory: Memory, fact: Fact) -> Remembered | None:
    """Remember the fact. Returns what is known of its subject now, if it is numbered.

    A memory of yours forgets by itself what :func:`erased_by` says.
    """
    remembered: Remembered | None = None
    if fact.sequence is not None and fact.subject:
        remembered = memory.get(fact) or Remembered(fact.sequence, fact.sequence)
        remembered.add(fact.sequence)
    memory.put(fact, remembered)
    if isinstance(memory, InProcess):
        memory.forget(erased_by(fact))
    return remembered


def erased_by(fact: Fact) -> list[str]:
    """The subjects that a fact says were erased with their user: gaps in their sequences are no loss."""
    if not fact.type.endswith(".user.erased.v1"):
        return []
    return [subject for subject in fact.data.get("subjects") or () if isinstance(subject, str)]


def _keep(store: OrderedDict[str, V], key: str, value: V, most: int) -> None:
    store[key] = value
    store.move_to_end(key)
    if len(store) > most:
        store.popitem(last=False)

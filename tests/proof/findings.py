"""What is wrong after a run, by kind, and the rules for the commands and facts of every service. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.proof.ledger import Command


@dataclass(slots=True, frozen=True)
class FactSeen:
    """A fact as its stream has it; ``data`` holds only what is judged."""

    id: str
    type: str
    subject: str
    sequence: int
    data: Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Leftovers:
    """What a service left: entries ``pending`` or ``unread`` on the streams that it consumes, facts in the
    ``outbox``, ``dead`` letters.
    """

    pending: int = 0
    unread: int = 0
    outbox: int = 0
    dead: Sequence[Mapping[str, str]] = ()

    @property
    def quiet(self) -> bool:
        return not (self.pending or self.unread or self.outbox)


@dataclass(slots=True)
class Findings:
    """Findings by kind; a run without any is good. ``effects`` and ``facts`` are counts."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inversions: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    effects: int = 0
    facts: int = 0
    fact_repeats: int = 0

    @property
    def good(self) -> bool:
        return not any(self.by_kind().values())

    def by_kind(self) -> dict[str, list[str]]:
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "inversions": self.inversions,
            "stuck": self.stuck,
            "dead": self.dead,
        }

    def judge_leftovers(self, left: Leftovers, facts: Iterable[FactSeen], rejected: str) -> None:
        """Nothing waits any more, there is no dead letter, and nothing was ``rejected`` (the type of that
        fact)."""
        for count, what in ((left.pending, "pending"), (left.unread, "unread")):
            if count:
                self.stuck.append(f"{count} entries {what}")
        if left.outbox:
            self.stuck.append(f"{left.outbox} facts in the outbox")
        self.dead += [f"dead letter: {letter.get('dead-reason')}" for letter in left.dead]
        self.dead += [f"rejected: {fact.subject}" for fact in facts if fact.type == rejected]

    def judge_refusals(self, commands: Iterable[Command]) -> None:
        self.dead += [f"{c.marker} refused: {c.detail}" for c in commands if c.outcome == "refused"]

    def first_told(self, facts: Sequence[FactSeen]) -> dict[str, list[FactSeen]]:
        """The facts of each subject without their repeats, which are recognised by their ids and counted."""
        first: dict[str, FactSeen] = {}
        for fact in facts:
            first.setdefault(fact.id, fact)
        self.facts, self.fact_repeats = len(first), len(facts) - len(first)
        by_subject: dict[str, list[FactSeen]] = defaultdict(list)
        for fact in first.values():
            by_subject[fact.subject].append(fact)
        return by_subject

    def judge_sequence(self, subject: str, facts: Sequence[FactSeen], last: int) -> None:
        """A subject's facts count from 1 to the ``last`` that was assigned, in this order."""
        sequence = [fact.sequence for fact in facts]
        wanted = set(range(1, last + 1))
        if sequence != sorted(sequence):
            self.inversions.append(f"facts of {subject} came as {excerpt(sequence)}")
        if missing := sorted(wanted - set(sequence)):
            self.lost.append(f"facts {excerpt(missing)} of {subject}")
        if len(set(sequence)) < len(sequence) or set(sequence) - wanted:
            self.doubled.append(f"sequence of {subject}: {excerpt(sequence)}")

    def judge_order(self, commands: Sequence[Command], place: Mapping[str, int]) -> None:
        """Commands of one conversation, in the order in which their effects read back."""
        self.inversions += _out_of_stream_order(commands, place)
        self.inversions += _before_its_time(commands)


def places(published: Iterable[str]) -> dict[str, int]:
    """Where each event stands in its stream: its first entry is the one that counts."""
    place: dict[str, int] = {}
    for i, marker in enumerate(published):
        place.setdefault(marker, i)
    return place


def excerpt(items: Sequence[object]) -> str:
    return f"{list(items[:10])}{'…' if len(items) > 10 else ''}"


def _out_of_stream_order(commands: Iterable[Command], place: Mapping[str, int]) -> list[str]:
    """Commands of the stream that stand behind one that was published later."""
    inversions, latest = [], ("", -1)
    for command in commands:
        if command.way != "stream":
            continue
        at = place.get(command.marker, -1)
        if at < latest[1]:
            inversions.append(f"{command.marker} reads after {latest[0]}, which was published later")
        else:
            latest = (command.marker, at)
    return inversions


def _before_its_time(commands: Sequence[Command]) -> list[str]:
    """What stands before something that had been accepted before it was even requested.

    An accepted HTTP request or insert is in its place from then on. Of a command on the stream only the
    request's time is known: its place is decided when it is handled.
    """
    inversions = []
    earliest: Command | None = None
    for command in reversed(commands):
        if earliest is not None and earliest.answered < command.asked:
            inversions.append(
                f"{command.marker} ({command.way}) reads before {earliest.marker} ({earliest.way}), "
                f"accepted {command.asked - earliest.answered:.3f} s earlier"
            )
        final = command.way != "stream" and command.outcome == "accepted"
        if final and (earliest is None or command.answered < earliest.answered):
            earliest = command
    return inversions

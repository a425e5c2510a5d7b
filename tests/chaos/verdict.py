"""Lost, doubled, out of order, stuck: the ledger against the evidence. Pure; findings name their markers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.evidence import Evidence, FactSeen, Row
from tests.chaos.ledger import Command, Ledger

APPENDED, REJECTED = "chat.message.appended.v1", "chat.command.rejected.v1"


@dataclass(slots=True)
class Verdict:
    """Findings by kind; a run is good when there is none."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inversions: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    effects: int = 0
    unknown_found: int = 0
    facts: int = 0
    fact_repeats: int = 0

    @property
    def good(self) -> bool:
        return not any(self.findings().values())

    def findings(self) -> dict[str, list[str]]:
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "inversions": self.inversions,
            "stuck": self.stuck,
            "dead": self.dead,
        }


def judge(ledger: Ledger, evidence: Evidence) -> Verdict:
    """Compare what was accepted with what is there."""
    verdict = Verdict(effects=len(evidence.rows))
    _judge_effects(verdict, ledger, evidence.rows)
    by_conversation: dict[UUID, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        by_conversation[row.conversation].append(row)
    _judge_order(verdict, ledger, evidence, by_conversation)
    _judge_facts(verdict, ledger, evidence, by_conversation)
    if evidence.pending:
        verdict.stuck.append(f"{evidence.pending} entries pending")
    if evidence.unread:
        verdict.stuck.append(f"{evidence.unread} entries unread")
    if evidence.outbox:
        verdict.stuck.append(f"{evidence.outbox} facts in the outbox")
    verdict.dead = [f"dead letter: {letter.get('dead-reason')}" for letter in evidence.dead]
    verdict.dead += [f"rejected: {f.subject}" for f in evidence.facts if f.type == REJECTED]
    verdict.dead += [
        f"{c.marker} refused: {c.detail}" for c in ledger.commands.values() if c.outcome == "refused"
    ]
    return verdict


def _judge_effects(verdict: Verdict, ledger: Ledger, rows: Sequence[Row]) -> None:
    found = Counter(row.marker for row in rows)
    verdict.doubled += [f"{marker}: {count} messages" for marker, count in found.items() if count > 1]
    for command in ledger.commands.values():
        if command.outcome == "accepted" and not found[command.marker]:
            verdict.lost.append(f"{command.marker} ({command.way}): no message")
        elif command.outcome == "unknown":
            verdict.unknown_found += found[command.marker] > 0
    verdict.doubled += [f"{marker}: nobody asked for it" for marker in found if marker not in ledger.commands]


def _judge_order(
    verdict: Verdict, ledger: Ledger, evidence: Evidence, by_conversation: dict[UUID, list[Row]]
) -> None:
    place: dict[str, int] = {}
    for i, marker in enumerate(evidence.published):
        place.setdefault(marker, i)  # an event's first entry is the one that counts
    for rows in by_conversation.values():
        commands = [ledger.commands[row.marker] for row in rows if row.marker in ledger.commands]
        verdict.inversions += _out_of_stream_order(commands, place)
        verdict.inversions += _before_its_time(commands)


def _out_of_stream_order(commands: Iterable[Command], place: dict[str, int]) -> list[str]:
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
    """Messages that stand before one that had been accepted before they were even asked for.

    An accepted HTTP request or insert is in its place from then on. Of a command on the stream only the
    asking is known: its place is taken when it is handled.
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


def _judge_facts(
    verdict: Verdict, ledger: Ledger, evidence: Evidence, by_conversation: dict[UUID, list[Row]]
) -> None:
    first: dict[str, FactSeen] = {}
    for fact in evidence.facts:
        first.setdefault(fact.id, fact)
    verdict.facts, verdict.fact_repeats = len(first), len(evidence.facts) - len(first)
    by_subject: dict[str, list[FactSeen]] = defaultdict(list)
    for fact in first.values():
        by_subject[fact.subject].append(fact)
    for conversation, last in evidence.sequences.items():
        facts = by_subject.pop(str(conversation), [])
        sequence = [fact.sequence for fact in facts]
        if sequence != sorted(sequence):
            verdict.inversions.append(f"facts of {conversation} came as {_excerpt(sequence)}")
        if sorted(sequence) != list(range(1, last + 1)):
            missing = sorted(set(range(1, last + 1)) - set(sequence))
            if missing:
                verdict.lost.append(f"facts {_excerpt(missing)} of {conversation}")
            if len(set(sequence)) < len(sequence) or set(sequence) - set(range(1, last + 1)):
                verdict.doubled.append(f"sequence of {conversation}: {_excerpt(sequence)}")
        rows = by_conversation.get(conversation, [])
        told = [fact.message for fact in facts if fact.type == APPENDED]
        ours = [row.id for row in rows if row.marker in ledger.commands and _is_ours(ledger, row)]
        verdict.lost += [f"no fact of message {m}" for m in ours if m not in set(told)]
        verdict.doubled += [f"{n} facts of message {m}" for m, n in Counter(told).items() if n > 1]
        verdict.doubled += [f"a fact of message {m}, which isn't ours" for m in told if m not in set(ours)]
        if told != ours and sorted(map(str, told)) == sorted(map(str, ours)):
            verdict.inversions.append(f"facts and messages of {conversation} differ in order")


def _is_ours(ledger: Ledger, row: Row) -> bool:
    return ledger.commands[row.marker].way != "node"


def _excerpt(numbers: Sequence[int]) -> str:
    return f"{list(numbers[:10])}{'…' if len(numbers) > 10 else ''}"

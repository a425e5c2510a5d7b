"""What became of chat's commands: the ledger against the evidence. Pure; findings name their markers."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.chat import ChatCommandRejected, MessageAppended
from tests.chaos.evidence import Evidence, Row
from tests.chaos.findings import Findings, places
from tests.chaos.ledger import Ledger

APPENDED, REJECTED = MessageAppended.type, ChatCommandRejected.type


@dataclass(slots=True)
class Verdict(Findings):
    """``unknown_found``: how many of the commands without an answer have a message."""

    unknown_found: int = 0


def judge(ledger: Ledger, evidence: Evidence) -> Verdict:
    """Compare what was accepted with what is there."""
    verdict = Verdict(effects=len(evidence.rows))
    _judge_effects(verdict, ledger, evidence.rows)
    by_conversation: dict[UUID, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        by_conversation[row.conversation].append(row)
    place = places(evidence.published)
    for rows in by_conversation.values():
        commands = [ledger.commands[row.marker] for row in rows if row.marker in ledger.commands]
        verdict.judge_order(commands, place)
    _judge_facts(verdict, ledger, evidence, by_conversation)
    verdict.judge_leftovers(evidence.left, evidence.facts, REJECTED)
    verdict.judge_refusals(ledger.commands.values())
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


def _judge_facts(
    verdict: Verdict, ledger: Ledger, evidence: Evidence, by_conversation: dict[UUID, list[Row]]
) -> None:
    by_subject = verdict.first_told(evidence.facts)
    for conversation, last in evidence.sequences.items():
        facts = by_subject.get(str(conversation), [])
        verdict.judge_sequence(str(conversation), facts, last)
        rows = by_conversation.get(conversation, [])
        told = [fact.data["messageId"] for fact in facts if fact.type == APPENDED]
        ours = [str(row.id) for row in rows if row.marker in ledger.commands and _is_ours(ledger, row)]
        verdict.lost += [f"no fact of message {m}" for m in ours if m not in set(told)]
        verdict.doubled += [f"{n} facts of message {m}" for m, n in Counter(told).items() if n > 1]
        verdict.doubled += [f"a fact of message {m}, which isn't ours" for m in told if m not in set(ours)]
        if told != ours and sorted(told) == sorted(ours):
            verdict.inversions.append(f"facts and messages of {conversation} differ in order")


def _is_ours(ledger: Ledger, row: Row) -> bool:
    return ledger.commands[row.marker].way != "node"

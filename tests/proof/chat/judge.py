"""What became of chat's commands: the ledger against the evidence. Pure; findings name their markers."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.chat import ChatCommandRejected, MessageAppended
from tests.proof.chat.evidence import ChatEvidence, Row
from tests.proof.findings import Findings, places
from tests.proof.ledger import Ledger

APPENDED, REJECTED = MessageAppended.type, ChatCommandRejected.type


@dataclass(slots=True)
class ChatFindings(Findings):
    """``unknown_found``: how many of the commands without an answer have a message."""

    unknown_found: int = 0


def judge_chat(ledger: Ledger, evidence: ChatEvidence) -> ChatFindings:
    """Compare what was accepted with what is there."""
    findings = ChatFindings(effects=len(evidence.rows))
    _judge_effects(findings, ledger, evidence.rows)
    by_conversation: dict[UUID, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        by_conversation[row.conversation].append(row)
    place = places(evidence.published)
    for rows in by_conversation.values():
        commands = [ledger.commands[row.marker] for row in rows if row.marker in ledger.commands]
        findings.judge_order(commands, place)
    _judge_facts(findings, ledger, evidence, by_conversation)
    findings.judge_leftovers(evidence.left, evidence.facts, REJECTED)
    findings.judge_refusals(ledger.commands.values())
    return findings


def _judge_effects(findings: ChatFindings, ledger: Ledger, rows: Sequence[Row]) -> None:
    found = Counter(row.marker for row in rows)
    findings.doubled += [f"{marker}: {count} messages" for marker, count in found.items() if count > 1]
    for command in ledger.commands.values():
        if command.outcome == "accepted" and not found[command.marker]:
            findings.lost.append(f"{command.marker} ({command.way}): no message")
        elif command.outcome == "unknown":
            findings.unknown_found += found[command.marker] > 0
    findings.doubled += [
        f"{marker}: nobody asked for it" for marker in found if marker not in ledger.commands
    ]


def _judge_facts(
    findings: ChatFindings, ledger: Ledger, evidence: ChatEvidence, by_conversation: dict[UUID, list[Row]]
) -> None:
    by_subject = findings.first_told(evidence.facts)
    for conversation, last in evidence.sequences.items():
        facts = by_subject.get(str(conversation), [])
        findings.judge_sequence(str(conversation), facts, last)
        rows = by_conversation.get(conversation, [])
        told = [fact.data["messageId"] for fact in facts if fact.type == APPENDED]
        ours = [str(row.id) for row in rows if row.marker in ledger.commands and _is_ours(ledger, row)]
        findings.lost += [f"no fact of message {m}" for m in ours if m not in set(told)]
        findings.doubled += [f"{n} facts of message {m}" for m, n in Counter(told).items() if n > 1]
        findings.doubled += [f"a fact of message {m}, which isn't ours" for m in told if m not in set(ours)]
        if told != ours and sorted(told) == sorted(ours):
            findings.inversions.append(f"facts and messages of {conversation} differ in order")


def _is_ours(ledger: Ledger, row: Row) -> bool:
    return ledger.commands[row.marker].way != "node"

"""What became of cockpit's commands: the ledger against the evidence. Pure; findings name their markers."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from cockpit.events.repository import KEPT
from contracts.cockpit import CockpitCommandRejected, GameEventHappened, ServerStatusChanged
from tests.proof.cockpit.evidence import CockpitEvidence
from tests.proof.cockpit.load import CockpitLedger, Seat
from tests.proof.findings import FactSeen, Findings, excerpt, places
from tests.proof.ledger import Ledger

HAPPENED, STATUS = GameEventHappened.type, ServerStatusChanged.type


def judge_cockpit(ledger: CockpitLedger, evidence: CockpitEvidence) -> Findings:
    """Compare what was accepted with what is there. An effect is a line said or a server stopped."""
    findings = Findings()
    by_subject = findings.first_told(evidence.facts)
    place = places(evidence.published)
    said: Counter[str] = Counter()
    for seat in ledger.seats:
        facts = by_subject.get(str(seat.session), [])
        findings.judge_sequence(f"session of {seat.user}", facts, evidence.sequences.get(seat.session, 0))
        markers = _markers(facts, "command-executed", "command")
        said.update(markers)
        commands = [ledger.says.commands[m] for m in markers if m in ledger.says.commands]
        findings.judge_order(commands, place)
        if markers != _markers(facts, "chat-message", "msg"):
            findings.lost.append(f"lines executed and lines said by {seat.user} differ")
        _judge_rows(findings, seat, facts, evidence.events.get(seat.session, ()))
        _judge_server(findings, seat, facts, evidence, stopped=0)
    _judge_says(findings, ledger.says, said)
    stopped = 0
    for seat in ledger.spares:
        facts = by_subject.get(str(seat.session), [])
        asked = str(seat.conversation) in ledger.deletions.commands
        if asked:
            last = evidence.servers[seat.user].sequence + 1  # the fact of its stop
            _judge_deletion(findings, seat.conversation, evidence)
        else:
            last = evidence.sequences.get(seat.session, 0)
        findings.judge_sequence(f"session of {seat.user}", facts, last)
        stopped += _judge_server(findings, seat, facts, evidence, stopped=int(asked))
    findings.effects = said.total() + stopped
    findings.judge_leftovers(evidence.left, evidence.facts, CockpitCommandRejected.type)
    findings.judge_refusals([*ledger.says.commands.values(), *ledger.deletions.commands.values()])
    return findings


def _markers(facts: Sequence[FactSeen], name: str, field: str) -> list[str]:
    """The lines of the game events of one name, without the word ``say``."""
    lines = [f.data["meta"][field] for f in facts if f.type == HAPPENED and f.data["eventName"] == name]
    return [line.removeprefix("say ") for line in lines]


def _judge_says(findings: Findings, says: Ledger, said: Counter[str]) -> None:
    findings.doubled += [f"{marker}: said {count} times" for marker, count in said.items() if count > 1]
    findings.doubled += [f"{marker}: nobody asked for it" for marker in said if marker not in says.commands]
    findings.lost += [
        f"{command.marker} ({command.way}): never said"
        for command in says.commands.values()
        if command.outcome == "accepted" and not said[command.marker]
    ]


def _judge_rows(findings: Findings, seat: Seat, facts: Sequence[FactSeen], rows: Sequence[int]) -> None:
    """The stored events are the newest ones that were published, in the same order."""
    told = [fact.data["eventId"] for fact in facts if fact.type == HAPPENED]
    kept = told[-len(rows) :] if rows else []
    findings.lost += [f"event {id_} of {seat.user} has no row" for id_ in kept if id_ not in set(rows)]
    findings.doubled += [f"event {id_} of {seat.user} was not told" for id_ in rows if id_ not in set(told)]
    if len(rows) < min(len(told), KEPT - 1):  # one place may be its status's
        findings.lost.append(f"{len(told)} events of {seat.user} were told, {len(rows)} are kept")
    if sorted(kept) == sorted(rows) and kept != list(rows):
        findings.inversions.append(f"events of {seat.user} were told as {excerpt(kept)}")


def _judge_server(
    findings: Findings, seat: Seat, facts: Sequence[FactSeen], evidence: CockpitEvidence, *, stopped: int
) -> int:
    """It started once, and stopped ``stopped`` times, for its conversation's deletion; how often it did."""
    reasons = Counter(fact.data["reason"] for fact in facts if fact.type == STATUS)
    for reason, wanted in (("started", 1), ("conversation_deleted", stopped)):
        count = reasons.pop(reason, 0)
        if count < wanted:
            findings.lost.append(f"server of {seat.user}: no fact {reason}")
        elif count > wanted:
            findings.doubled.append(f"server of {seat.user}: {count} facts {reason}")
    findings.doubled += [f"server of {seat.user}: nobody asked for {reason}" for reason in reasons]
    status = evidence.servers[seat.user].status
    if status != ("stopped" if stopped else "running"):
        findings.lost.append(f"server of {seat.user} is {status}")
    return sum(fact.data["reason"] == "conversation_deleted" for fact in facts if fact.type == STATUS)


def _judge_deletion(findings: Findings, conversation: UUID, evidence: CockpitEvidence) -> None:
    count = evidence.deleted.get(conversation, 0)
    if conversation in evidence.conversations:
        findings.lost.append(f"conversation {conversation} was deleted, and is there")
    elif count == 0:
        findings.lost.append(f"no fact of deleted conversation {conversation}")
    if count > 1:
        findings.doubled.append(f"{count} facts of deleted conversation {conversation}")

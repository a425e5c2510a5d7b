"""What became of users' messages and of turns: the ledger against the evidence. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from contracts.chat import (
    MessageAppended,
    StateChanged,
    TurnCancelled,
    TurnFailed,
    TurnFinished,
    TurnInterrupted,
    TurnStarted,
)
from tests.proof.findings import FactSeen, Findings, excerpt
from tests.proof.ledger import Ledger
from tests.proof.turns.evidence import REJECTED, MessageRow, TurnRow, TurnsEvidence
from tests.proof.turns.followers import Watched
from tests.proof.turns.judge_shown import judge_shown
from tests.proof.turns.runtimes import Told

ENDS = {
    TurnFinished.type: "finished",
    TurnFailed.type: "failed",
    TurnCancelled.type: "cancelled",
    TurnInterrupted.type: "interrupted",
}
OVER = ("turn_over", "turn_running", "turn_token_refused")
"""The codes with which a command is refused whose turn has ended, while none runs or another one does; or
whose token was replaced: a chat that had been frozen carried out the first of many takes after the last."""


@dataclass(slots=True)
class TurnsFindings(Findings):
    """``ended``: turns by how they ended. ``refused``: how often a token was refused because its turn was
    over, over HTTP and on the stream."""

    ended: Counter[str] = field(default_factory=Counter)
    refused: int = 0


def judge_turns(
    ledger: Ledger, told: Told, watched: Mapping[str, Watched], evidence: TurnsEvidence
) -> TurnsFindings:
    """Compare what users and runtimes were told, and followers were shown, with what is there. An effect is a
    turn that ended. ``watched`` are followed turns by id."""
    findings = TurnsFindings(ended=Counter(turn.state for turn in evidence.turns))
    findings.effects = sum(findings.ended[state] for state in ENDS.values())
    findings.stuck += [f"turn {t.id} is {t.state}" for t in evidence.turns if t.state not in ENDS.values()]
    if not evidence.settled:
        findings.stuck.append("turns that were left to go on")
    by_conversation: dict[UUID, list[TurnRow]] = defaultdict(list)
    for turn in evidence.turns:
        by_conversation[turn.conversation].append(turn)
    _judge_users_messages(findings, ledger, evidence.messages, by_conversation)
    by_subject = findings.first_told(evidence.facts)
    for conversation, last in evidence.sequences.items():
        facts = by_subject.get(str(conversation), [])
        findings.judge_sequence(str(conversation), facts, last)
        in_order = sorted(facts, key=lambda fact: fact.sequence)
        _judge_order_of_turns(findings, in_order, by_conversation[conversation])
        _judge_told(findings, in_order, [m for m in evidence.messages if m.conversation == conversation])
    _judge_answers(findings, told, evidence)
    judge_shown(findings, told, watched, evidence)
    _judge_refusals(findings, told, evidence)
    findings.judge_refusals(ledger.commands.values())
    return findings


def _judge_users_messages(
    findings: TurnsFindings,
    ledger: Ledger,
    messages: Sequence[MessageRow],
    turns: dict[UUID, list[TurnRow]],
) -> None:
    """Each is there once, and stands in a turn that wasn't interrupted."""
    asked = [message for message in messages if message.role == "user"]
    found = Counter(message.content.partition(" ")[0] for message in asked)
    findings.doubled += [f"{marker}: {count} messages" for marker, count in found.items() if count > 1]
    findings.doubled += [
        f"{marker}: nobody asked for it" for marker in found if marker not in ledger.commands
    ]
    findings.lost += [
        f"{command.marker} ({command.way}): no message"
        for command in ledger.commands.values()
        if command.outcome == "accepted" and not found[command.marker]
    ]
    findings.lost += [
        f"{message.content.partition(' ')[0]}: in no turn that was carried through"
        for message in asked
        if not any(
            turn.through >= message.sequence and turn.state in ("finished", "failed", "cancelled")
            for turn in turns[message.conversation]
        )
    ]


def _judge_order_of_turns(
    findings: TurnsFindings, facts: Sequence[FactSeen], turns: Sequence[TurnRow]
) -> None:
    """One turn at a time; while it runs only its runtime writes, and no runtime does while none runs. The
    facts' sequence is the order in which all of it was committed."""
    running: str | None = None
    ended: Counter[str] = Counter()
    for fact in facts:
        turn = str(fact.data.get("turnId"))
        if fact.type == TurnStarted.type:
            if running is not None or ended[turn]:
                findings.inversions.append(f"turn {turn} started while {running or 'over'}")
            running = turn
        elif fact.type in ENDS:
            ended[turn] += 1
            if running not in (None, turn):
                findings.inversions.append(f"turn {turn} ended while {running} ran")
            running = None
        elif (writer := _writer(fact)) is not None and writer != running:
            what = fact.type.split(".")[-2]
            findings.inversions.append(f"{what} of turn {writer} while {running or 'none'} ran")
    findings.doubled += [f"turn {turn} ended {count} times" for turn, count in ended.items() if count > 1]
    findings.lost += [
        f"no fact of the end of turn {turn.id}"
        for turn in turns
        if turn.state in ENDS.values() and not ended[turn.id]
    ]


def _writer(fact: FactSeen) -> str | None:
    """The turn whose runtime caused the fact; None of what a user does."""
    if fact.type == MessageAppended.type and fact.data["role"] != "user":
        return str(fact.data["content"].split()[0])
    return str(fact.data["state"]["turn"]) if fact.type == StateChanged.type else None


def _judge_told(findings: TurnsFindings, facts: Sequence[FactSeen], messages: Sequence[MessageRow]) -> None:
    """Every message has its fact, in the same order."""
    told = [fact.data["messageId"] for fact in facts if fact.type == MessageAppended.type]
    stored = [message.id for message in messages]
    findings.lost += [f"no fact of message {id_}" for id_ in stored if id_ not in set(told)]
    findings.doubled += [f"{n} facts of message {id_}" for id_, n in Counter(told).items() if n > 1]
    findings.doubled += [f"a fact of message {id_}, which isn't there" for id_ in told if id_ not in stored]
    if told != stored and sorted(told) == sorted(stored):
        findings.inversions.append(f"facts and messages differ in order: {excerpt(told)}")


def _judge_answers(findings: TurnsFindings, told: Told, evidence: TurnsEvidence) -> None:
    """A turn's messages count from 1 without a gap, in this order; a finished one has all, the last one
    included, and what chat confirmed is there."""
    said: dict[str, list[list[str]]] = defaultdict(list)
    for message in evidence.messages:
        if message.role != "user":
            turn, *rest = message.content.split()
            said[turn].append(rest if message.incomplete is None else rest[:1])
    for turn_row in evidence.turns:
        rests = said.pop(turn_row.id, [])
        numbers = [int(rest[0]) for rest in rests]
        wanted = list(range(1, len(numbers) + 1))
        if len(set(numbers)) < len(numbers):
            findings.doubled.append(f"messages {excerpt(numbers)} of turn {turn_row.id}")
        elif sorted(numbers) != wanted:
            findings.lost.append(f"turn {turn_row.id} has messages {excerpt(numbers)} alone")
        elif numbers != wanted:
            findings.inversions.append(f"messages of turn {turn_row.id} read as {excerpt(numbers)}")
        complete = bool(rests) and rests[-1][1:2] == ["last"]
        if complete != (turn_row.state == "finished"):
            findings.lost.append(f"turn {turn_row.id} is {turn_row.state}, its messages {excerpt(rests)}")
    findings.doubled += [f"messages of turn {turn}, which nobody took" for turn in said]
    states = {turn.id: turn.state for turn in evidence.turns}
    findings.lost += [f"turn {id_} was finished" for id_ in told.finished if states.get(id_) != "finished"]
    findings.lost += [f"turn {id_} was given up" for id_ in told.failed if states.get(id_) != "failed"]
    there = {message.content for message in evidence.messages}
    findings.lost += [f"message {content} was confirmed" for content in told.messages if content not in there]


def _judge_refusals(findings: TurnsFindings, told: Told, evidence: TurnsEvidence) -> None:
    """Only tokens of turns that are over are refused; nothing is that a runtime sent in a turn that it
    finished."""
    findings.dead += told.odd
    states = {turn.id: turn.state for turn in evidence.turns}
    rejected = [fact for fact in evidence.facts if fact.type == REJECTED]
    # Before such a message came its turn had ended, and what was shown of it was stored under its id.
    incomplete = {message.id for message in evidence.messages if message.incomplete is not None}
    for fact in rejected:
        command = fact.subject.removeprefix("command/")
        turn, code = evidence.commands[command], fact.data["code"]
        over = code in OVER or (code == "id_reused" and command in incomplete)
        if not over or states.get(turn) == "finished":
            findings.dead.append(f"{fact.data['code']}: a command of {states.get(turn)} turn {turn}")
    findings.refused = told.refused + len(rejected)

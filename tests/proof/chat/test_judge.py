"""The judge itself: planted faults are found, and a good run passes."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.proof.chat.evidence import ChatEvidence, Row
from tests.proof.chat.judge import APPENDED, REJECTED, ChatFindings, judge_chat
from tests.proof.findings import FactSeen, Leftovers
from tests.proof.ledger import Command, Ledger, Way

CONVERSATION = uuid4()


class Case:
    """Three commands of the stream, one by HTTP, one of Node's, in this order, all well."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.rows: list[Row] = []
        self.published: list[str] = []
        self.facts: list[FactSeen] = []
        self.dead: list[dict[str, str]] = []
        ways: tuple[Way, ...] = ("stream", "stream", "stream", "http", "node")
        for number, way in enumerate(ways):
            command = Command(f"m{number}", CONVERSATION, way, asked=number, answered=number + 0.5)
            command.outcome = "accepted"
            self.ledger.add(command)
            self.rows.append(row(command.marker))
            if way == "stream":
                self.published.append(command.marker)
            if way != "node":
                self.facts.append(fact(self.rows[-1].id, number + 1))

    def judge(self, **changes: int) -> ChatFindings:
        evidence = ChatEvidence(
            rows=self.rows,
            published=self.published,
            facts=self.facts,
            sequences={CONVERSATION: 4},
            left=Leftovers(**changes, dead=self.dead),
        )
        return judge_chat(self.ledger, evidence)


def row(marker: str) -> Row:
    return Row(uuid4(), CONVERSATION, marker, datetime.now(UTC))


def fact(message: UUID, sequence: int, type_: str = APPENDED) -> FactSeen:
    return FactSeen(str(uuid4()), type_, str(CONVERSATION), sequence, {"messageId": str(message)})


@pytest.fixture
def case() -> Case:
    return Case()


def kinds(findings: ChatFindings) -> set[str]:
    return {kind for kind, found in findings.by_kind().items() if found}


def test_what_is_fine_is_good(case: Case) -> None:
    case.published.append("m0")  # published once more, much later
    case.facts.append(case.facts[0])  # told once more
    findings = case.judge()
    assert findings.good, findings.by_kind()
    assert findings.fact_repeats == 1


def test_a_missing_message_is_lost(case: Case) -> None:
    del case.rows[1], case.facts[1]
    assert "lost" in kinds(case.judge())


def test_a_message_without_an_answer_may_be_there_or_not_but_not_twice(case: Case) -> None:
    case.ledger.commands["m3"].outcome = "unknown"
    assert case.judge().unknown_found == 1
    case.rows.insert(3, row("m3"))
    assert "doubled" in kinds(case.judge())


def test_a_missing_fact_is_lost(case: Case) -> None:
    del case.facts[2]
    assert kinds(case.judge()) == {"lost"}


def test_two_messages_for_one_command_are_doubled(case: Case) -> None:
    case.rows.insert(1, row("m0"))
    assert "doubled" in kinds(case.judge())


def test_two_facts_of_one_message_are_doubled(case: Case) -> None:
    case.facts.append(fact(case.rows[0].id, 5))
    assert kinds(case.judge()) == {"doubled"}


def test_commands_out_of_the_streams_order_are_inverted(case: Case) -> None:
    case.published.reverse()
    assert kinds(case.judge()) == {"inversions"}


def test_a_message_before_one_that_was_accepted_earlier_is_inverted(case: Case) -> None:
    case.rows[3], case.rows[4] = case.rows[4], case.rows[3]
    assert kinds(case.judge()) == {"inversions"}


def test_messages_that_were_under_way_together_may_come_either_way(case: Case) -> None:
    case.ledger.commands["m4"].asked = 3.2
    case.rows[3], case.rows[4] = case.rows[4], case.rows[3]
    assert case.judge().good


def test_facts_out_of_order_are_inverted(case: Case) -> None:
    case.facts[0], case.facts[1] = case.facts[1], case.facts[0]
    assert kinds(case.judge()) == {"inversions"}


def test_what_waits_is_stuck_and_what_died_is_dead(case: Case) -> None:
    assert kinds(case.judge(pending=1)) == {"stuck"}
    assert kinds(case.judge(unread=1)) == {"stuck"}
    assert kinds(case.judge(outbox=1)) == {"stuck"}
    case.dead.append({"dead-reason": "boom"})
    assert kinds(case.judge()) == {"dead"}
    case.dead.clear()
    case.facts.append(FactSeen(str(uuid4()), REJECTED, "command/x", 1, {}))
    assert kinds(case.judge()) == {"dead"}

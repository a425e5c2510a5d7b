"""The judge of cockpit: planted faults are found, and a good run passes."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.cockpit import CockpitCommandRejected
from tests.proof.cockpit.evidence import CockpitEvidence, ServerRow
from tests.proof.cockpit.judge import HAPPENED, STATUS, judge_cockpit
from tests.proof.cockpit.load import CockpitLedger, Seat
from tests.proof.findings import FactSeen, Findings, Leftovers
from tests.proof.ledger import Command, Way


class Case:
    """A session in which three lines were said, the last by HTTP, and one whose conversation was deleted."""

    def __init__(self) -> None:
        self.seat, self.spare = Seat("ann", uuid4(), uuid4()), Seat("ben", uuid4(), uuid4())
        self.ledger = CockpitLedger([self.seat], [self.spare])
        self.facts = [status(self.seat, "started", 1), status(self.spare, "started", 1)]
        self.published: list[str] = []
        self.events: list[int] = []
        ways: tuple[Way, ...] = ("stream", "stream", "http")
        for number, way in enumerate(ways):
            command = Command(f"s{number}", self.seat.conversation, way, asked=number, answered=number + 0.5)
            command.outcome = "accepted"
            self.ledger.says.add(command)
            if way == "stream":
                self.published.append(command.marker)
            self.say(command.marker)
        deletion = Command(str(self.spare.conversation), self.spare.conversation, "stream")
        deletion.close("accepted")
        self.ledger.deletions.add(deletion)
        self.facts.append(status(self.spare, "conversation_deleted", 2))
        self.conversations = {self.seat.conversation}
        self.deleted = {self.spare.conversation: 1}
        self.servers = {"ann": ServerRow("running", 7), "ben": ServerRow("stopped", 1)}
        self.sequence = 7

    def say(self, marker: str) -> None:
        """A line has two events: that it was executed, and what was heard of it."""
        for name, meta in (
            ("command-executed", {"command": f"say {marker}"}),
            ("chat-message", {"msg": marker}),
        ):
            event, sequence = len(self.events) + 1, len(self.events) + 2
            data = {"eventName": name, "eventId": event, "meta": meta}
            self.facts.append(FactSeen(str(uuid4()), HAPPENED, str(self.seat.session), sequence, data))
            self.events.append(event)

    def judge(self, left: Leftovers | None = None) -> Findings:
        evidence = CockpitEvidence(
            facts=self.facts,
            events={self.seat.session: self.events},
            published=self.published,
            sequences={self.seat.session: self.sequence},
            servers=self.servers,
            conversations=frozenset(self.conversations),
            deleted=self.deleted,
            left=left or Leftovers(),
        )
        return judge_cockpit(self.ledger, evidence)


def status(seat: Seat, reason: str, sequence: int) -> FactSeen:
    data: dict[str, Any] = {"reason": reason}
    return FactSeen(str(uuid4()), STATUS, str(seat.session), sequence, data)


@pytest.fixture
def case() -> Case:
    return Case()


def kinds(findings: Findings) -> set[str]:
    return {kind for kind, found in findings.by_kind().items() if found}


def test_what_is_fine_is_good(case: Case) -> None:
    case.published.append("s0")  # published once more, much later
    case.facts.append(case.facts[2])  # told once more
    findings = case.judge()
    assert findings.good, findings.by_kind()
    assert (findings.effects, findings.facts, findings.fact_repeats) == (4, 9, 1)


def test_a_line_that_was_not_said_is_lost(case: Case) -> None:
    command = Command("s3", case.seat.conversation, "stream", outcome="accepted")
    case.ledger.says.add(command)
    assert kinds(case.judge()) == {"lost"}
    command.outcome = "unknown"
    assert case.judge().good


def test_a_line_said_twice_is_doubled(case: Case) -> None:
    case.say("s1")
    case.sequence += 2
    assert "doubled" in kinds(case.judge())


def test_a_line_that_nobody_asked_for_is_doubled(case: Case) -> None:
    case.say("s9")
    case.sequence += 2
    assert kinds(case.judge()) == {"doubled"}


def test_lines_out_of_the_streams_order_are_inverted(case: Case) -> None:
    case.published.reverse()
    assert kinds(case.judge()) == {"inversions"}


def test_a_line_before_one_that_was_accepted_earlier_is_inverted(case: Case) -> None:
    case.ledger.says.commands["s2"].answered = 0.9
    assert kinds(case.judge()) == {"inversions"}


def test_a_fact_that_is_missing_is_lost(case: Case) -> None:
    del case.facts[3]
    assert "lost" in kinds(case.judge())


def test_facts_out_of_order_are_inverted(case: Case) -> None:
    case.facts[2], case.facts[4] = case.facts[4], case.facts[2]
    assert "inversions" in kinds(case.judge())


def test_an_event_without_its_row_is_lost_and_a_row_that_was_not_told_is_doubled(case: Case) -> None:
    del case.events[3]
    assert kinds(case.judge()) == {"lost"}
    case.events[3:] = [4, 5, 6, 7]
    assert kinds(case.judge()) == {"doubled"}
    case.events[3:] = [5, 4, 6]
    assert kinds(case.judge()) == {"inversions"}


def test_old_events_may_be_gone() -> None:
    case = Case()
    for number in range(300):
        marker = f"t{number}"
        case.ledger.says.add(Command(marker, case.seat.conversation, "http", outcome="accepted"))
        case.say(marker)
    case.sequence += 600
    del case.events[:-500]
    assert case.judge().good
    del case.events[:2]
    assert kinds(case.judge()) == {"lost"}


def test_a_server_that_was_not_stopped_is_lost(case: Case) -> None:
    del case.facts[-1]
    assert kinds(case.judge()) == {"lost"}
    case = Case()
    case.servers["ben"] = ServerRow("running", 1)
    assert kinds(case.judge()) == {"lost"}


def test_a_server_that_was_stopped_twice_or_for_nothing_is_doubled(case: Case) -> None:
    case.facts.append(status(case.spare, "conversation_deleted", 3))
    assert kinds(case.judge()) == {"doubled"}
    case = Case()
    case.facts.append(status(case.seat, "stopped", 8))
    case.sequence += 1
    assert kinds(case.judge()) == {"doubled"}


def test_a_deletion_without_its_effect_or_its_fact_is_lost(case: Case) -> None:
    case.conversations.add(case.spare.conversation)
    assert kinds(case.judge()) == {"lost"}
    case = Case()
    case.deleted.clear()
    assert kinds(case.judge()) == {"lost"}
    case.deleted[case.spare.conversation] = 2
    assert kinds(case.judge()) == {"doubled"}


def test_what_waits_is_stuck_and_what_died_is_dead(case: Case) -> None:
    assert kinds(case.judge(Leftovers(pending=1))) == {"stuck"}
    assert kinds(case.judge(Leftovers(unread=1))) == {"stuck"}
    assert kinds(case.judge(Leftovers(outbox=1))) == {"stuck"}
    assert kinds(case.judge(Leftovers(dead=[{"dead-reason": "boom"}]))) == {"dead"}
    case.ledger.says.commands["s2"].close("refused", "409")
    assert kinds(case.judge()) == {"dead"}
    case.ledger.says.commands["s2"].close("accepted")
    case.facts.append(FactSeen(str(uuid4()), CockpitCommandRejected.type, str(UUID(int=1)), 1, {}))
    assert "dead" in kinds(case.judge())

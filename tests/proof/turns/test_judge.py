"""The judge of turns: planted faults are found, and a good run passes."""

from typing import Any
from uuid import uuid4

import pytest

from contracts.chat import MessageAppended, StateChanged, TurnInterrupted, TurnRequested, TurnStarted
from tests.proof.findings import FactSeen
from tests.proof.ledger import Command, Ledger
from tests.proof.turns.evidence import REJECTED, MessageRow, TurnRow, TurnsEvidence
from tests.proof.turns.followers import Watched
from tests.proof.turns.judge import ENDS, TurnsFindings, judge_turns
from tests.proof.turns.judge_shown import judge_seen
from tests.proof.turns.runtimes import Told
from tests.proof.turns.tabs import Seen

CONVERSATION = uuid4()
FINISHED = next(type_ for type_, state in ENDS.items() if state == "finished")


class Case:
    """A question; a turn that was interrupted in its second message; another one that answered."""

    def __init__(self) -> None:
        self.ledger, self.told = Ledger(), Told()
        self.facts: list[FactSeen] = []
        self.messages: list[MessageRow] = []
        self.turns = [
            TurnRow("first", CONVERSATION, "interrupted", 1),
            TurnRow("second", CONVERSATION, "finished", 2),
        ]
        self.commands = {"late": "first"}
        question = self.ledger.add(Command("u1", CONVERSATION, "http"))
        question.outcome = "accepted"
        self.says("user", "u1 what is it?")
        self.happens(TurnRequested.type, turnId="first")
        self.happens(TurnStarted.type, turnId="first")
        self.happens(StateChanged.type, state={"turn": "first"})
        self.says("assistant", "first 1 so it is")
        self.says("assistant", "first 2 so", incomplete="interrupted")
        self.happens(TurnInterrupted.type, turnId="first")
        self.happens(TurnStarted.type, turnId="second")
        self.says("tool", "second 1")
        self.says("assistant", "second 2 last")
        self.happens(FINISHED, turnId="second")
        self.facts.append(FactSeen("r", REJECTED, "command/late", 1, {"code": "turn_over"}))
        self.told.messages |= {"first 1 so it is", "second 1", "second 2 last"}
        self.told.finished.add("second")
        self.told.shown |= {"first": 3, "second": 2}
        said = [message.id for message in self.messages]
        first = {said[1]: "first 1 so it", said[2]: "first 2 so"}  # a last piece came too late
        self.watched = {
            "first": Watched([1, 2, 3], first, "turn_interrupted"),
            "second": Watched([1, 2], {said[4]: "second 2 last"}, "done"),
        }

    def happens(self, type_: str, **data: Any) -> None:
        sequence = sum(fact.subject == str(CONVERSATION) for fact in self.facts) + 1
        self.facts.append(FactSeen(str(uuid4()), type_, str(CONVERSATION), sequence, data))

    def says(self, role: str, content: str, incomplete: str | None = None) -> None:
        row = MessageRow(str(uuid4()), CONVERSATION, role, content, len(self.messages) + 1, incomplete)
        self.messages.append(row)
        self.happens(MessageAppended.type, messageId=row.id, role=role, content=content)

    def swap(self, one: int, other: int) -> None:
        """Let two facts have happened in the other order."""
        facts, numbers = self.facts, (self.facts[one].sequence, self.facts[other].sequence)
        facts[one], facts[other] = facts[other], facts[one]
        for place, number in zip((one, other), numbers, strict=True):
            fact = facts[place]
            facts[place] = FactSeen(fact.id, fact.type, fact.subject, number, fact.data)

    def judge(self, *, settled: bool = True) -> TurnsFindings:
        last = max(fact.sequence for fact in self.facts)
        sequences = {CONVERSATION: last}
        evidence = TurnsEvidence(self.turns, self.messages, self.facts, sequences, self.commands, settled)
        return judge_turns(self.ledger, self.told, self.watched, evidence)

    def kinds(self, **changes: bool) -> set[str]:
        return {kind for kind, found in self.judge(**changes).by_kind().items() if found}


@pytest.fixture
def case() -> Case:
    return Case()


def test_what_is_fine_is_good(case: Case) -> None:
    findings = case.judge()
    assert findings.good, findings.by_kind()
    assert (findings.effects, findings.refused) == (2, 1)


def test_a_runtime_that_writes_after_its_turn_is_out_of_order(case: Case) -> None:
    case.swap(5, 6)  # its message, and the end of its turn
    assert case.kinds() == {"inversions"}


def test_a_runtime_that_changes_the_state_in_anothers_turn_is_out_of_order(case: Case) -> None:
    case.happens(StateChanged.type, state={"turn": "first"})
    assert case.kinds() == {"inversions"}


def test_two_turns_at_a_time_are_out_of_order(case: Case) -> None:
    case.swap(6, 7)
    assert "inversions" in case.kinds()


def test_a_question_that_no_turn_carried_through_is_lost(case: Case) -> None:
    case.turns[1] = TurnRow("second", CONVERSATION, "finished", 0)
    assert case.kinds() == {"lost"}


def test_a_question_that_was_accepted_and_isnt_there_is_lost(case: Case) -> None:
    other = case.ledger.add(Command("u2", CONVERSATION, "stream"))
    other.outcome = "accepted"
    assert case.kinds() == {"lost"}
    case.says("user", "u2 and this?")
    assert case.kinds() == {"lost"}  # no turn has it
    case.turns[1] = TurnRow("second", CONVERSATION, "finished", len(case.messages))
    assert case.kinds() == set()


@pytest.mark.parametrize("content", ["first 1 so it is", "second 1", "u1 what is it?"])
def test_a_message_that_is_there_twice_is_doubled(case: Case, content: str) -> None:
    row = next(message for message in case.messages if message.content == content)
    case.messages.insert(case.messages.index(row), MessageRow("again", CONVERSATION, row.role, content, 9))
    assert "doubled" in case.kinds()


def test_a_gap_in_what_a_runtime_said_is_lost(case: Case) -> None:
    case.messages[3] = MessageRow(case.messages[3].id, CONVERSATION, "tool", "second 3", 4)
    case.told.messages.discard("second 1")
    assert "lost" in case.kinds()


def test_what_chat_confirmed_to_a_runtime_and_isnt_there_is_lost(case: Case) -> None:
    case.told.messages.add("first 2")
    assert case.kinds() == {"lost"}
    case.told.messages.discard("first 2")
    case.told.finished.add("first")
    assert case.kinds() == {"lost"}


def test_a_turn_that_never_ends_is_stuck(case: Case) -> None:
    assert case.kinds(settled=False) == {"stuck"}
    case.turns.append(TurnRow("third", CONVERSATION, "running", 4))
    assert case.kinds() == {"stuck"}


def test_a_command_of_a_finished_turn_that_was_refused_is_dead(case: Case) -> None:
    case.commands["late"] = "second"
    assert case.kinds() == {"dead"}


def test_a_message_that_comes_after_what_was_shown_of_it_was_stored_may_be_refused_for_its_id(
    case: Case,
) -> None:
    refused = case.facts.pop()
    incomplete = case.messages[2].id
    case.facts.append(FactSeen(refused.id, REJECTED, f"command/{incomplete}", 1, {"code": "id_reused"}))
    case.commands[incomplete] = "first"
    assert case.kinds() == set()
    case.messages[2] = MessageRow(incomplete, CONVERSATION, "assistant", "first 2 so", 3)
    assert "dead" in case.kinds()


def test_an_answer_that_no_runtime_should_get_is_dead(case: Case) -> None:
    case.told.take({"refused": "append", "turn": "first", "status": 400, "text": "no"})
    assert case.kinds() == {"dead"}


def test_numbers_that_a_follower_saw_twice_or_not_or_in_another_order(case: Case) -> None:
    case.watched["first"].numbers = [1, 2, 2, 3]
    assert case.kinds() == {"doubled"}
    case.watched["first"].numbers = [1, 3, 2]
    assert case.kinds() == {"inversions"}
    case.watched["first"].numbers = [1, 2]
    assert case.kinds() == {"lost"}


def test_what_was_shown_and_isnt_said_is_lost(case: Case) -> None:
    incomplete = case.messages[2]
    case.messages[2] = MessageRow(incomplete.id, CONVERSATION, "assistant", "first 2", 3, "interrupted")
    assert case.kinds() == {"lost"}
    case.messages[2] = incomplete
    case.watched["first"].texts["nowhere"] = "first 3"
    assert case.kinds() == {"lost"}


def test_a_follower_who_learns_no_end_is_stuck_and_one_who_learns_another_end_is_misled(case: Case) -> None:
    case.watched["second"].end = None
    assert case.kinds() == {"stuck"}
    case.watched["second"].end = "turn_interrupted"
    assert case.kinds() == {"lost"}


@pytest.mark.parametrize(
    ("facts", "pieces", "found"),
    [
        ([[1, 2, 3, 4]], [1, 2], set()),
        ([[1], [3, 4]], [1, 2], set()),  # a reset said so
        ([[1, 3, 4]], [1, 2], {"lost"}),
        ([[1, 2, 2, 3, 4]], [1, 2], {"doubled"}),
        ([[1, 2, 3, 4]], [1, 1, 2], {"doubled", "lost"}),
        ([[1, 2, 3, 4]], [2], {"lost"}),
        ([[1, 2, 3]], [1, 2], {"stuck"}),
    ],
)
def test_what_a_tab_was_shown(facts: list[list[int]], pieces: list[int], found: set[str]) -> None:
    findings = TurnsFindings()
    tab = Seen(facts, {"turn": pieces}, {"turn"}, f"{facts[-1][-1]}-1-{pieces[-1]}")
    judge_seen(findings, {CONVERSATION: tab}, {"turn": Watched([1, 2])}, {CONVERSATION: 4})
    assert {kind for kind, what in findings.by_kind().items() if what} == found

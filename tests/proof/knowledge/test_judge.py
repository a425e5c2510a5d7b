"""The judge of knowledge: planted faults are found, and a good run passes."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from contracts.knowledge import KnowledgeCommandRejected
from tests.proof.findings import FactSeen, Leftovers
from tests.proof.knowledge.evidence import KnowledgeEvidence, SyncRow
from tests.proof.knowledge.judge import COMPLETED, FAILED, STARTED, KnowledgeFindings, judge_knowledge
from tests.proof.knowledge.load import Folder, KnowledgeLedger

BASE = "base-0"


class Case:
    """Three syncs of a base with two files: the second was killed and run again, the last must get there."""

    def __init__(self) -> None:
        self.ids = [uuid4() for _ in range(3)]
        self.ledger = KnowledgeLedger([Folder(BASE, Path())], dict.fromkeys(self.ids, BASE), {self.ids[2]})
        self.syncs = [SyncRow(id_, BASE, "completed", None) for id_ in self.ids]
        self.facts: list[FactSeen] = []
        first, second, last = self.ids
        told = ((first, STARTED), (first, COMPLETED), (second, STARTED), (second, STARTED))
        for id_, type_ in (*told, (second, COMPLETED), (last, STARTED), (last, COMPLETED)):
            self.tell(id_, type_)
        self.chunks = [(BASE, "page-0.txt", "new"), (BASE, "page-1.txt", "old")]
        self.files = list(self.chunks)
        self.published = [str(id_) for id_ in self.ids]
        self.jobs = 0

    def tell(self, id_: UUID, type_: str) -> None:
        data = {"syncId": str(id_)}
        self.facts.append(FactSeen(str(uuid4()), type_, BASE, len(self.facts) + 1, data))

    def judge(self, left: Leftovers | None = None) -> KnowledgeFindings:
        evidence = KnowledgeEvidence(
            facts=self.facts,
            syncs=self.syncs,
            chunks=self.chunks,
            files=self.files,
            published=self.published,
            sequences={BASE: len(self.facts)},
            jobs=self.jobs,
            left=left or Leftovers(),
        )
        return judge_knowledge(self.ledger, evidence)


@pytest.fixture
def case() -> Case:
    return Case()


def kinds(findings: KnowledgeFindings) -> set[str]:
    return {kind for kind, found in findings.by_kind().items() if found}


def test_what_is_fine_is_good(case: Case) -> None:
    case.published.append(case.published[0])  # published once more, much later
    findings = case.judge()
    assert findings.good, findings.by_kind()
    assert (findings.effects, findings.runs, findings.failed) == (3, 4, 0)


def test_a_command_without_its_sync_is_lost(case: Case) -> None:
    case.ledger.syncs[uuid4()] = BASE
    assert kinds(case.judge()) == {"lost"}


def test_a_sync_that_nobody_asked_for_is_doubled(case: Case) -> None:
    del case.ledger.syncs[case.ids[0]]
    assert kinds(case.judge()) == {"doubled"}


@pytest.mark.parametrize("status", ["requested", "queued", "running"])
def test_a_sync_without_an_outcome_is_stuck(case: Case, status: str) -> None:
    case.syncs[0] = replace(case.syncs[0], status=status)
    assert kinds(case.judge()) == {"stuck"}


def test_an_outcome_that_was_not_told_is_lost(case: Case) -> None:
    case.syncs[0] = replace(case.syncs[0], status="failed")
    assert kinds(case.judge()) == {"lost"}


def test_a_sync_may_fail_while_things_are_broken_but_not_at_the_end(case: Case) -> None:
    case.tell(case.ids[0], FAILED)
    case.syncs[0] = replace(case.syncs[0], status="failed")
    assert case.judge().good
    case.tell(case.ids[2], FAILED)
    case.syncs[2] = replace(case.syncs[2], status="failed")
    assert kinds(case.judge()) == {"lost"}


def test_syncs_out_of_the_streams_order_are_inverted(case: Case) -> None:
    case.syncs.reverse()
    assert kinds(case.judge()) == {"inversions"}


def test_a_file_without_its_row_is_lost_and_a_row_without_its_file_is_doubled(case: Case) -> None:
    case.files.append((BASE, "page-2.txt", "new"))
    assert kinds(case.judge()) == {"lost"}
    case.files.pop()
    case.chunks.append(case.chunks[0])
    assert kinds(case.judge()) == {"doubled"}
    case.chunks.pop()
    case.files[0] = (BASE, "page-0.txt", "newer")
    assert kinds(case.judge()) == {"lost", "doubled"}


def test_a_missing_fact_is_lost_and_facts_out_of_order_are_inverted(case: Case) -> None:
    case.facts[2], case.facts[3] = case.facts[3], case.facts[2]
    assert kinds(case.judge()) == {"inversions"}
    case = Case()
    missing = case.facts[4]
    case.facts[4] = case.facts[3]  # published once more, but its outcome never was
    assert missing.type == COMPLETED
    assert "lost" in kinds(case.judge())


def test_what_waits_is_stuck_and_what_died_is_dead(case: Case) -> None:
    assert kinds(case.judge(Leftovers(pending=1))) == {"stuck"}
    assert kinds(case.judge(Leftovers(unread=1))) == {"stuck"}
    assert kinds(case.judge(Leftovers(outbox=1))) == {"stuck"}
    assert kinds(case.judge(Leftovers(dead=[{"dead-reason": "boom"}]))) == {"dead"}
    case.jobs = 1
    assert kinds(case.judge()) == {"stuck"}
    case.jobs = 0
    case.facts.append(FactSeen(str(uuid4()), KnowledgeCommandRejected.type, "command/x", 1, {}))
    assert "dead" in kinds(case.judge())

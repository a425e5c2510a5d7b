"""What became of knowledge's commands: the ledger against the evidence. Pure; findings name the syncs."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.knowledge import KnowledgeCommandRejected, SyncCompleted, SyncFailed, SyncStarted
from tests.proof.findings import FactSeen, Findings, excerpt, places
from tests.proof.knowledge.evidence import KnowledgeEvidence, SyncRow
from tests.proof.knowledge.load import KnowledgeLedger

STARTED, COMPLETED, FAILED = SyncStarted.type, SyncCompleted.type, SyncFailed.type
_OUTCOMES = {COMPLETED: "completed", FAILED: "failed"}


@dataclass(slots=True)
class KnowledgeFindings(Findings):
    """``failed`` syncs have used up their job's attempts; ``runs`` counts those of killed workers too."""

    failed: int = 0
    runs: int = 0


def judge_knowledge(ledger: KnowledgeLedger, evidence: KnowledgeEvidence) -> KnowledgeFindings:
    """Compare what was accepted with what is there. An effect is a sync with an outcome."""
    findings = KnowledgeFindings()
    by_base = findings.first_told(evidence.facts)
    for base, last in evidence.sequences.items():
        findings.judge_sequence(base, by_base.get(base, []), last)
    told: dict[UUID, list[FactSeen]] = defaultdict(list)
    for facts in by_base.values():
        for fact in facts:
            if "syncId" in fact.data:
                told[UUID(fact.data["syncId"])].append(fact)
    _judge_syncs(findings, ledger, evidence.syncs, told)
    _judge_order(findings, evidence)
    _judge_rows(findings, evidence)
    if evidence.jobs:
        findings.stuck.append(f"{evidence.jobs} jobs in the queue")
    findings.judge_leftovers(evidence.left, evidence.facts, KnowledgeCommandRejected.type)
    return findings


def _judge_syncs(
    findings: KnowledgeFindings,
    ledger: KnowledgeLedger,
    syncs: Sequence[SyncRow],
    told: dict[UUID, list[FactSeen]],
) -> None:
    """Every command is one sync with an outcome, which was published; the last ones succeeded."""
    rows = {sync.id: sync for sync in syncs}
    findings.lost += [f"sync {id_} was asked for, and isn't there" for id_ in ledger.syncs if id_ not in rows]
    for sync in syncs:
        types = [fact.type for fact in told[sync.id]]
        findings.runs += types.count(STARTED)
        if sync.id not in ledger.syncs:
            findings.doubled.append(f"sync {sync.id} of {sync.base}: nobody asked for it")
        if sync.status not in _OUTCOMES.values():
            findings.stuck.append(f"sync {sync.id} of {sync.base} is {sync.status}")
            continue
        findings.effects += 1
        findings.failed += sync.status == "failed"
        outcomes = [_OUTCOMES[type_] for type_ in types if type_ in _OUTCOMES]
        if not outcomes or outcomes[-1] != sync.status:
            findings.lost.append(f"sync {sync.id} of {sync.base} is {sync.status}, and told as {outcomes}")
        if sync.id in ledger.last and sync.status != "completed":
            findings.lost.append(f"the last sync of {sync.base} failed: {sync.error}")


def _judge_order(findings: KnowledgeFindings, evidence: KnowledgeEvidence) -> None:
    """The syncs of a base were recorded in the order of the stream."""
    place = places(evidence.published)
    by_base: dict[str, list[int]] = defaultdict(list)
    for sync in evidence.syncs:
        by_base[sync.base].append(place.get(str(sync.id), -1))
    for base, order in by_base.items():
        if order != sorted(order):
            findings.inversions.append(f"syncs of {base} were recorded as {excerpt(order)}")


def _judge_rows(findings: KnowledgeFindings, evidence: KnowledgeEvidence) -> None:
    """The rows are the files, each once."""
    rows, files = Counter(evidence.chunks), Counter(evidence.files)
    findings.lost += [f"no row of {base}/{path}: {text}" for base, path, text in files - rows]
    findings.doubled += [f"a row of {base}/{path} too many: {text}" for base, path, text in rows - files]

"""What was asked of each service, what was found, and what was judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.proof.chat.evidence import ChatEvidence
from tests.proof.chat.judge import ChatFindings
from tests.proof.cockpit.load import CockpitLedger
from tests.proof.faults import Kill
from tests.proof.findings import Findings
from tests.proof.knowledge.judge import KnowledgeFindings
from tests.proof.knowledge.load import KnowledgeLedger
from tests.proof.ledger import Ledger
from tests.proof.plan import Plan
from tests.proof.turns.judge import TurnsFindings
from tests.proof.turns.runtimes import Told
from tests.support.services import ServiceName


@dataclass(slots=True, frozen=True)
class JudgedChat:
    ledger: Ledger
    evidence: ChatEvidence
    findings: ChatFindings


@dataclass(slots=True, frozen=True)
class JudgedCockpit:
    ledger: CockpitLedger
    findings: Findings


@dataclass(slots=True, frozen=True)
class JudgedKnowledge:
    ledger: KnowledgeLedger
    findings: KnowledgeFindings


@dataclass(slots=True, frozen=True)
class JudgedTurns:
    ledger: Ledger
    told: Told
    findings: TurnsFindings


@dataclass(slots=True, frozen=True)
class Judged:
    """``None`` for a service that had no processes, and of turns if there were no runtimes."""

    chat: JudgedChat
    cockpit: JudgedCockpit | None = None
    knowledge: JudgedKnowledge | None = None
    turns: JudgedTurns | None = None

    def named(self) -> list[dict[str, list[str]]]:
        """The findings of each service, with its name before each."""
        services: list[tuple[str, Findings]] = [("chat", self.chat.findings)]
        if self.cockpit:
            services.append(("cockpit", self.cockpit.findings))
        if self.knowledge:
            services.append(("knowledge", self.knowledge.findings))
        if self.turns:
            services.append(("turns", self.turns.findings))
        return [
            {kind: [f"{name}: {each}" for each in found] for kind, found in findings.by_kind().items()}
            for name, findings in services
        ]


@dataclass(slots=True)
class Part:
    """One service's numbers, or those of turns: ``open`` commands have had no outcome, ``findings`` are how
    many of each kind, ``redeliveries`` entries that a process took over, ``about`` says what the effects are.
    """

    accepted: int
    unknown: int
    open: int
    copies: int
    effects: int
    facts: int
    fact_repeats: int
    killed: int
    frozen: int
    redeliveries: int
    findings: dict[str, int]
    about: str

    @property
    def kills(self) -> int:
        return self.killed + self.frozen


def parts_of(
    plan: Plan, judged: Judged, kills: Sequence[Kill], redeliveries: Mapping[ServiceName, int]
) -> dict[str, Part]:
    """Every service's numbers, by its name."""
    chat, cockpit, knowledge = judged.chat, judged.cockpit, judged.knowledge
    parts = {"chat": _part("chat", plan.commands, [chat.ledger], chat.findings, kills, "messages")}
    if cockpit:
        asked = cockpit.ledger
        about = f"lines said, {len(asked.deletions.commands)} servers stopped"
        wanted, ledgers = plan.says + plan.deletions, [asked.says, asked.deletions]
        parts["cockpit"] = _part("cockpit", wanted, ledgers, cockpit.findings, kills, about)
    if knowledge:
        findings, syncs = knowledge.findings, knowledge.ledger
        about = f"syncs, {findings.failed} failed; {findings.runs} runs"
        part = _part("knowledge", plan.syncs + plan.bases, [], findings, kills, about)
        part.accepted, part.copies = len(syncs.syncs), syncs.copies
        part.open -= part.accepted
        parts["knowledge"] = part
    if turns := judged.turns:
        ended = ", ".join(f"{count} {state}" for state, count in sorted(turns.findings.ended.items()))
        about = f"turns: {ended}; {turns.findings.refused} tokens refused, {turns.told.raced} races lost"
        parts["turns"] = _part("turns", plan.questions, [turns.ledger], turns.findings, kills, about)
    for service, count in redeliveries.items():
        parts[service].redeliveries = count
    return parts


def _part(
    service: str,
    wanted: int,
    ledgers: Sequence[Ledger],
    findings: Findings,
    kills: Sequence[Kill],
    about: str,
) -> Part:
    kinds = [kill.kind for kill in kills if kill.service == service]
    outcomes = Counter(command.outcome for ledger in ledgers for command in ledger.commands.values())
    return Part(
        accepted=outcomes["accepted"],
        unknown=outcomes["unknown"],
        open=wanted - outcomes["accepted"] - outcomes["unknown"] - outcomes["refused"],
        copies=sum(ledger.copies for ledger in ledgers),
        effects=findings.effects,
        facts=findings.facts,
        fact_repeats=findings.fact_repeats,
        killed=kinds.count("kill"),
        frozen=kinds.count("freeze"),
        redeliveries=0,
        findings={kind: len(found) for kind, found in findings.by_kind().items()},
        about=about,
    )

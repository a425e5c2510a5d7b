"""What was asked of each service, what was found, and what was judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.cockpit_load import CockpitLedger
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Kill
from tests.chaos.findings import Findings
from tests.chaos.knowledge_load import KnowledgeLedger
from tests.chaos.knowledge_verdict import KnowledgeVerdict
from tests.chaos.ledger import Ledger
from tests.chaos.plan import Plan
from tests.chaos.verdict import Verdict
from tests.support.services import ServiceName


@dataclass(slots=True, frozen=True)
class ChatOutcome:
    ledger: Ledger
    evidence: Evidence
    verdict: Verdict


@dataclass(slots=True, frozen=True)
class CockpitOutcome:
    ledger: CockpitLedger
    verdict: Findings


@dataclass(slots=True, frozen=True)
class KnowledgeOutcome:
    ledger: KnowledgeLedger
    verdict: KnowledgeVerdict


@dataclass(slots=True, frozen=True)
class Outcome:
    """``None`` for a service that had no processes."""

    chat: ChatOutcome
    cockpit: CockpitOutcome | None = None
    knowledge: KnowledgeOutcome | None = None

    def named(self) -> list[dict[str, list[str]]]:
        """The findings of each service, with its name before each."""
        verdicts: list[tuple[str, Findings]] = [("chat", self.chat.verdict)]
        if self.cockpit:
            verdicts.append(("cockpit", self.cockpit.verdict))
        if self.knowledge:
            verdicts.append(("knowledge", self.knowledge.verdict))
        return [
            {kind: [f"{name}: {each}" for each in found] for kind, found in verdict.findings().items()}
            for name, verdict in verdicts
        ]


@dataclass(slots=True)
class Part:
    """One service's numbers: ``open`` commands have had no outcome, ``findings`` are how many of each
    kind, ``redeliveries`` entries that a process took over, ``about`` says what the effects are.
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
    plan: Plan, outcome: Outcome, kills: Sequence[Kill], redeliveries: Mapping[ServiceName, int]
) -> dict[str, Part]:
    """Every service's numbers, by its name."""
    chat, cockpit, knowledge = outcome.chat, outcome.cockpit, outcome.knowledge
    parts = {"chat": _part("chat", plan.commands, [chat.ledger], chat.verdict, kills, "messages")}
    if cockpit:
        asked = cockpit.ledger
        about = f"lines said, {len(asked.deletions.commands)} servers stopped"
        wanted, ledgers = plan.says + plan.deletions, [asked.says, asked.deletions]
        parts["cockpit"] = _part("cockpit", wanted, ledgers, cockpit.verdict, kills, about)
    if knowledge:
        verdict, syncs = knowledge.verdict, knowledge.ledger
        about = f"syncs, {verdict.failed} failed; {verdict.runs} runs"
        part = _part("knowledge", plan.syncs + plan.bases, [], verdict, kills, about)
        part.accepted, part.copies = len(syncs.syncs), syncs.copies
        part.open -= part.accepted
        parts["knowledge"] = part
    for service, count in redeliveries.items():
        parts[service].redeliveries = count
    return parts


def _part(
    service: str,
    wanted: int,
    ledgers: Sequence[Ledger],
    verdict: Findings,
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
        effects=verdict.effects,
        facts=verdict.facts,
        fact_repeats=verdict.fact_repeats,
        killed=kinds.count("kill"),
        frozen=kinds.count("freeze"),
        redeliveries=0,
        findings={kind: len(found) for kind, found in verdict.findings().items()},
        about=about,
    )

"""What came of a run: counted, timed, and whether it proves anything."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.faults import Faults, Kill
from tests.chaos.ledger import Ledger
from tests.chaos.verdict import Verdict

QUIET_SECONDS = 90.0
_AROUND = 3.0


@dataclass(slots=True, frozen=True)
class Plan:
    """What a run does. Below ``least_kills`` or ``least_redeliveries`` it has proved nothing, and fails."""

    seed: int
    folder: Path
    commands: int = 10_000
    conversations: int = 200
    seconds: float = 105.0
    processes: int = 3
    kill_gap: tuple[float, float] = (1.0, 3.0)
    weather_gap: tuple[float, float] = (3.0, 7.0)
    least_kills: int = 40
    least_redeliveries: int = 10
    without: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """What came of a run, in numbers that go to JSON as they are."""

    seed: int
    seconds: float
    without: list[str]
    accepted: dict[str, int]
    unknown: dict[str, int]
    unknown_found: int
    copies: int
    effects: int
    facts: int
    fact_repeats: int
    redeliveries: int
    kills: dict[str, int]
    weather: dict[str, int]
    recovery_median: float
    recovery_max: float
    takeover_median: float
    takeover_max: float
    quiet_after: float | None
    slowest: list[dict[str, Any]]
    findings: dict[str, list[str]]
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        return {"good": self.good, **asdict(self)}


def summarise(
    plan: Plan,
    ledger: Ledger,
    evidence: Evidence,
    verdict: Verdict,
    faults: Faults,
    redeliveries: int,
    quiet_after: float | None,
    seconds: float,
) -> Result:
    commits = sorted(
        row.created_at.timestamp()
        for row in evidence.rows
        if row.marker in ledger.commands and ledger.commands[row.marker].way == "stream"
    )
    recoveries = _recoveries(faults.kills, commits)
    recovery = [seconds for _, seconds in recoveries]
    takeover = [seconds for kill, seconds in recoveries if kill.active]
    kinds = [kill.kind for kill in faults.kills]
    result = Result(
        seed=plan.seed,
        seconds=seconds,
        without=list(plan.without),
        accepted={way: ledger.count("accepted", way) for way in ("stream", "http", "node")},
        unknown={way: ledger.count("unknown", way) for way in ("stream", "http", "node")},
        unknown_found=verdict.unknown_found,
        copies=ledger.copies,
        effects=verdict.effects,
        facts=verdict.facts,
        fact_repeats=verdict.fact_repeats,
        redeliveries=redeliveries,
        kills={kind: kinds.count(kind) for kind in ("kill", "freeze")} | {"of the active": len(takeover)},
        weather=dict(Counter(spell.kind for spell in faults.weather)),
        recovery_median=statistics.median(recovery) if recovery else 0.0,
        recovery_max=max(recovery, default=0.0),
        takeover_median=statistics.median(takeover) if takeover else 0.0,
        takeover_max=max(takeover, default=0.0),
        quiet_after=quiet_after,
        slowest=_slowest(recoveries, faults),
        findings=verdict.findings(),
    )
    result.failures = failures_of(plan, result, len(faults.kills))
    return result


def failures_of(plan: Plan, result: Result, kills: int) -> list[str]:
    """Why a run proves nothing, or the opposite of what it should; empty for a good one."""
    failures = [f"{len(found)} {kind}" for kind, found in result.findings.items() if found]
    open_ = plan.commands - sum(result.accepted.values()) - sum(result.unknown.values())
    open_ -= sum(" refused: " in finding for finding in result.findings["dead"])
    if open_:
        failures.append(f"{open_} commands without an answer")
    if kills < plan.least_kills:
        failures.append(f"{kills} kills prove little: at least {plan.least_kills}")
    if result.redeliveries < plan.least_redeliveries:
        failures.append(
            f"{result.redeliveries} redeliveries prove little: at least {plan.least_redeliveries}"
        )
    if result.quiet_after is None:
        failures.append(f"not quiet after {QUIET_SECONDS:g} s")
    return failures


def _recoveries(kills: Sequence[Kill], commits: Sequence[float]) -> list[tuple[Kill, float]]:
    """Seconds from each kill to the next commit of a command from the stream."""
    found = []
    for kill in kills:
        later = next((commit for commit in commits if commit > kill.at), None)
        if later is not None:
            found.append((kill, later - kill.at))
    return found


def _slowest(recoveries: Sequence[tuple[Kill, float]], faults: Faults) -> list[dict[str, Any]]:
    """The five longest recoveries, each with what else went on meanwhile."""
    return [
        {
            "kind": kill.kind,
            "instance": kill.instance,
            "active": kill.active,
            "at": datetime.fromtimestamp(kill.at, UTC).isoformat(),
            "seconds": seconds,
            "meanwhile": _meanwhile(kill, seconds, faults),
        }
        for kill, seconds in sorted(recoveries, key=lambda pair: -pair[1])[:5]
    ]


def _meanwhile(kill: Kill, seconds: float, faults: Faults) -> list[str]:
    """What else was broken from shortly before a kill to the next commit."""
    since, until = kill.at - _AROUND, kill.at + seconds
    others = [other for other in faults.kills if since < other.at < until and other is not kill]
    spells = [spell for spell in faults.weather if since < spell.until and spell.at < until]
    return [f"{other.at - kill.at:+.1f} s {other.kind} {other.instance}" for other in others] + [
        f"{spell.at - kill.at:+.1f} to {spell.until - kill.at:+.1f} s {spell.kind}" for spell in spells
    ]

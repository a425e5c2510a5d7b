"""The outcome of a run: counts, times, and whether it proves anything."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.proof.faults import Faults, Kill
from tests.proof.parts import Judged, Part, parts_of
from tests.proof.plan import Plan
from tests.support.services import ServiceName

QUIET_SECONDS = 90.0
_AROUND = 3.0


@dataclass(slots=True)
class Summary:
    """The outcome of a run, in numbers that go to JSON unchanged.

    ``accepted`` and ``unknown`` are chat's commands by their way, ``parts`` each service's numbers; recovery
    is that of chat's stream; ``strikes`` are kills at a step of a turn, by step, who and how.
    """

    seed: int
    seconds: float
    without: list[str]
    parts: dict[str, Part]
    accepted: dict[str, int]
    unknown: dict[str, int]
    unknown_found: int
    copies: int
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
    strikes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        return {"good": self.good, **asdict(self)}


def summarise(
    plan: Plan,
    judged: Judged,
    faults: Faults,
    redeliveries: Mapping[ServiceName, int],
    quiet_after: float | None,
    seconds: float,
) -> Summary:
    ledger, findings = judged.chat.ledger, judged.chat.findings
    commits = sorted(
        row.created_at.timestamp()
        for row in judged.chat.evidence.rows
        if row.marker in ledger.commands and ledger.commands[row.marker].way == "stream"
    )
    recoveries = _recoveries([kill for kill in faults.kills if kill.service == "chat"], commits)
    recovery = [each for _, each in recoveries]
    takeover = [each for kill, each in recoveries if kill.active]
    kinds = [kill.kind for kill in faults.kills]
    parts = parts_of(plan, judged, faults.kills, redeliveries)
    summary = Summary(
        seed=plan.seed,
        seconds=seconds,
        without=list(plan.without),
        parts=parts,
        accepted={way: ledger.count("accepted", way) for way in ("stream", "http", "node")},
        unknown={way: ledger.count("unknown", way) for way in ("stream", "http", "node")},
        unknown_found=findings.unknown_found,
        copies=sum(part.copies for part in parts.values()),
        redeliveries=sum(redeliveries.values()),
        kills={kind: kinds.count(kind) for kind in ("kill", "freeze")}
        | {"of the active": sum(kill.active for kill in faults.kills)},
        weather=dict(Counter(spell.kind for spell in faults.weather)),
        recovery_median=statistics.median(recovery) if recovery else 0.0,
        recovery_max=max(recovery, default=0.0),
        takeover_median=statistics.median(takeover) if takeover else 0.0,
        takeover_max=max(takeover, default=0.0),
        quiet_after=quiet_after,
        slowest=_slowest(recoveries, faults),
        findings={
            kind: [finding for named in judged.named() for finding in named[kind]]
            for kind in findings.by_kind()
        },
    )
    summary.failures = failures_of(plan, summary)
    return summary


def failures_of(plan: Plan, summary: Summary) -> list[str]:
    """Why a run proves nothing, or the opposite of what it should; empty for a good one."""
    failures = [f"{len(found)} {kind}" for kind, found in summary.findings.items() if found]
    for service, part in summary.parts.items():
        if part.open:
            failures.append(f"{part.open} commands of {service} without an answer")
        least = plan.least_kills if service == "chat" else plan.least_kills_elsewhere
        if part.kills < least:
            failures.append(f"{part.kills} kills of {service} prove little: at least {least}")
    redeliveries = summary.parts["chat"].redeliveries
    if redeliveries < plan.least_redeliveries:
        failures.append(
            f"{redeliveries} redeliveries to chat prove little: at least {plan.least_redeliveries}"
        )
    if summary.quiet_after is None:
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

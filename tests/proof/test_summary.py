"""When a run counts: too little broken, or a command without an answer, proves nothing."""

from pathlib import Path

import pytest

from tests.proof.parts import Part
from tests.proof.plan import Plan
from tests.proof.summary import Summary, failures_of

PLAN = Plan(seed=1, folder=Path(), commands=100)
KINDS = ("lost", "doubled", "inversions", "stuck", "dead")


def part(killed: int, frozen: int, *, open_: int = 0, redeliveries: int = 10) -> Part:
    nothing = dict.fromkeys(KINDS, 0)
    return Part(99, 1, open_, 9, 100, 81, 0, killed, frozen, redeliveries, nothing, "messages")


PARTS = {"chat": part(30, 10), "cockpit": part(3, 1), "knowledge": part(4, 0)}


def summary(**changed: object) -> Summary:
    """A run that proves something."""
    good: dict[str, object] = {
        "seed": 1,
        "seconds": 120.0,
        "without": [],
        "parts": PARTS,
        "accepted": {"stream": 60, "http": 20, "node": 19},
        "unknown": {"stream": 0, "http": 1, "node": 0},
        "unknown_found": 1,
        "copies": 9,
        "redeliveries": 10,
        "kills": {"kill": 37, "freeze": 11, "of the active": 20},
        "weather": {},
        "recovery_median": 1.0,
        "recovery_max": 3.0,
        "takeover_median": 1.0,
        "takeover_max": 3.0,
        "quiet_after": 1.0,
        "slowest": [],
        "findings": {kind: [] for kind in KINDS},
    }
    return Summary(**(good | changed))  # type: ignore[arg-type]


def test_forty_kills_and_ten_redeliveries_are_enough() -> None:
    assert failures_of(PLAN, summary()) == []


@pytest.mark.parametrize(
    ("changed", "failure"),
    [
        ({"chat": part(30, 9)}, "39 kills of chat prove little: at least 40"),
        ({"cockpit": part(3, 0)}, "3 kills of cockpit prove little: at least 4"),
        ({"knowledge": part(0, 0)}, "0 kills of knowledge prove little: at least 4"),
        ({"chat": part(40, 0, open_=1)}, "1 commands of chat without an answer"),
        ({"cockpit": part(4, 0, open_=2)}, "2 commands of cockpit without an answer"),
        ({"chat": part(40, 0, redeliveries=9)}, "9 redeliveries to chat prove little: at least 10"),
    ],
)
def test_a_run_that_proves_little_fails(changed: dict[str, Part], failure: str) -> None:
    assert failures_of(PLAN, summary(parts=PARTS | changed)) == [failure]


def test_a_run_that_does_not_come_to_rest_fails() -> None:
    assert failures_of(PLAN, summary(quiet_after=None)) == ["not quiet after 90 s"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_finding_fails_the_run(kind: str) -> None:
    found = summary()
    found.findings[kind].append("chat: m000001")
    assert failures_of(PLAN, found) == [f"1 {kind}"]

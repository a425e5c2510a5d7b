"""When a run counts: too little broken, or a command without an answer, proves nothing."""

from pathlib import Path

import pytest

from tests.chaos.result import Plan, Result, failures_of

PLAN = Plan(seed=1, folder=Path(), commands=100)


def result(**changed: object) -> Result:
    """A run that proves something."""
    good: dict[str, object] = {
        "seed": 1,
        "seconds": 120.0,
        "without": [],
        "accepted": {"stream": 60, "http": 20, "node": 19},
        "unknown": {"stream": 0, "http": 1, "node": 0},
        "unknown_found": 1,
        "copies": 9,
        "effects": 100,
        "facts": 81,
        "fact_repeats": 0,
        "redeliveries": 10,
        "kills": {"kill": 30, "freeze": 10, "of the active": 20},
        "weather": {},
        "recovery_median": 1.0,
        "recovery_max": 3.0,
        "takeover_median": 1.0,
        "takeover_max": 3.0,
        "quiet_after": 1.0,
        "slowest": [],
        "findings": {"lost": [], "doubled": [], "inversions": [], "stuck": [], "dead": []},
    }
    return Result(**(good | changed))  # type: ignore[arg-type]


def test_forty_kills_and_ten_redeliveries_are_enough() -> None:
    assert failures_of(PLAN, result(), kills=40) == []


@pytest.mark.parametrize(
    ("changed", "kills", "failure"),
    [
        ({}, 39, "39 kills prove little: at least 40"),
        ({"redeliveries": 9}, 40, "9 redeliveries prove little: at least 10"),
        ({"quiet_after": None}, 40, "not quiet after 90 s"),
        ({"unknown": {"stream": 0, "http": 0, "node": 0}}, 40, "1 commands without an answer"),
    ],
)
def test_a_run_that_proves_little_fails(changed: dict[str, object], kills: int, failure: str) -> None:
    assert failures_of(PLAN, result(**changed), kills) == [failure]


@pytest.mark.parametrize("kind", ["lost", "doubled", "inversions", "stuck", "dead"])
def test_one_finding_fails_the_run(kind: str) -> None:
    found = result()
    found.findings[kind].append("m000001")
    assert failures_of(PLAN, found, kills=40) == [f"1 {kind}"]

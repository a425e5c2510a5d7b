"""A short run of the proof: some hundred commands, a dozen kills, the servers restarted, the network bad."""

from pathlib import Path

import pytest

from tests.proof.plan import Plan
from tests.proof.run import run


@pytest.mark.large
@pytest.mark.timeout(480)
async def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    plan = Plan(
        seed=10,  # its weather begins with faults that interrupt commands: servers, then the network
        folder=tmp_path,
        commands=1_100,
        conversations=30,
        seconds=14,
        kill_gap=(0.8, 2.0),
        processes=2,
        cockpit_processes=2,
        knowledge_processes=1,
        cockpit_kill_gap=(3.0, 5.0),
        knowledge_kill_gap=(6.0, 8.0),
        weather_gap=(1.0, 2.5),
        least_kills=8,
        least_redeliveries=1,
    )
    summary = await run(plan)
    assert summary.good, (summary.failures, summary.findings)
    assert sum(summary.accepted.values()) > 900
    assert {service: part.accepted > 3 for service, part in summary.parts.items()} == {
        "chat": True,
        "cockpit": True,
        "knowledge": True,
        "turns": True,
    }

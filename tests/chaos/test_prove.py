"""A short run of the proof: a few hundred commands, a dozen kills, the servers restarted, the network bad."""

from pathlib import Path

import pytest

from tests.chaos.result import Plan
from tests.chaos.run import run


@pytest.mark.timeout(150)
async def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    plan = Plan(
        seed=7,
        folder=tmp_path,
        commands=1_200,
        conversations=30,
        seconds=25,
        weather_gap=(1.0, 2.5),
        least_kills=8,
        least_redeliveries=1,
    )
    result = await run(plan)
    assert result.good, (result.failures, result.findings)
    assert sum(result.accepted.values()) > 1_000

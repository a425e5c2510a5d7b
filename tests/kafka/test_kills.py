"""Consumers killed and frozen, the broker killed, under load: nothing lost, doubled or overtaken."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from takaro_local import process
from tests.kafka.server import KafkaServer
from tests.support.kafka_world import KafkaWorld
from tests.support.wait import eventually

SUBJECTS = 40


class Fleet:
    """Processes of the probe, each under its own instance name."""

    def __init__(self, world: KafkaWorld, log: Path) -> None:
        self._world, self._log = world, log
        self.processes: list[Popen[bytes]] = []
        self._started = 0

    def start(self) -> Popen[bytes]:
        self._started += 1
        environment = {
            **os.environ,
            "DATABASE_URL": self._world.database,
            "REDIS_URL": self._world.redis_url,
            "EVENT_BUS_URL": self._world.kafka_url,
            "INSTANCE_NAME": f"probe-{self._started}",
            "AUTH_MODE": "dev",
            "STREAM_BATCH_SIZE": "20",
        }
        with self._log.open("ab") as log:
            child = process.spawn(
                [sys.executable, "-m", "tests.kafka.process"],
                output=log,
                death_signal=signal.SIGKILL,
                cwd=Path(__file__).parents[2],
                environment=environment,
            )
        self.processes.append(child)
        return child

    def kill(self, child: Popen[bytes]) -> None:
        process.signal_family(child.pid, signal.SIGKILL)
        child.wait()
        self.processes.remove(child)

    def stop(self) -> None:
        for child in list(self.processes):
            process.end(child.pid, [(signal.SIGCONT, 0), (signal.SIGTERM, 10)])
            child.wait()


@asynccontextmanager
async def fleet_of(world: KafkaWorld, count: int, log: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(world, log)
    for _ in range(count):
        fleet.start()
    try:
        yield fleet
    finally:
        await asyncio.to_thread(fleet.stop)


async def publish(world: KafkaWorld, count: int, seconds: float) -> None:
    """Notes of growing value over all subjects, a tenth of them sent twice, in about so many seconds."""
    chance = random.Random(7)
    for value in range(count):
        subject = f"s{value % SUBJECTS}"
        event_id = f"{subject}-{value}"
        for _ in range(2 if chance.random() < 0.1 else 1):
            await world.note(subject, value, id=event_id)
        await asyncio.sleep(seconds / count)


async def check(world: KafkaWorld, count: int) -> None:
    await world.expect(effects=count, timeout=90)
    await world.expect(facts=count, pending=0, timeout=60)
    for subject in range(SUBJECTS):
        assert await world.effects(f"s{subject}") == list(range(subject, count, SUBJECTS))
    seen: dict[str, list[int]] = {}
    for fact in await world.facts():
        seen.setdefault(fact["subject"], []).append(int(fact["sequence"]))
    for sequences in seen.values():
        assert sequences == list(range(1, len(sequences) + 1))
    assert await world.dead() == []


async def effects(world: KafkaWorld) -> int:
    return len(await world.effects())


@pytest.mark.timeout(300)
async def test_consumers_killed_under_load(world: KafkaWorld, tmp_path: Path) -> None:
    chance = random.Random(1)
    async with fleet_of(world, 3, tmp_path / "log") as fleet:
        await world.note("s0", 0, id="s0-0")
        await world.expect(effects=1, timeout=30)
        load = asyncio.create_task(publish(world, 3_000, seconds=25))
        kills = 0
        while not load.done():
            before = await effects(world)
            fleet.kill(chance.choice(fleet.processes))
            fleet.start()
            kills += 1
            await eventually(lambda: _more(world, before), timeout=40)  # noqa: B023
        await load
        await check(world, 3_000)
    assert kills >= 5


async def _more(world: KafkaWorld, before: int) -> bool:
    return await effects(world) > before + 50 or await effects(world) >= 3_000


@pytest.mark.timeout(180)
async def test_a_consumer_frozen_past_its_session_changes_nothing(world: KafkaWorld, tmp_path: Path) -> None:
    async with fleet_of(world, 2, tmp_path / "log") as fleet:
        await world.note("s0", 0, id="s0-0")
        await world.expect(effects=1, timeout=30)
        load = asyncio.create_task(publish(world, 1_500, seconds=20))
        for frozen in list(fleet.processes):
            process.signal_family(frozen.pid, signal.SIGSTOP)
            await eventually(lambda: _owned_by_others(world, fleet, frozen), timeout=30)  # noqa: B023
            process.signal_family(frozen.pid, signal.SIGCONT)
        await load
        await check(world, 1_500)


async def _owned_by_others(world: KafkaWorld, fleet: Fleet, frozen: Popen[bytes]) -> bool:
    name = f"probe-{fleet.processes.index(frozen) + 1}"
    rows = await world.execute("SELECT owner FROM leases WHERE name LIKE 'consumer:%'")
    return bool(rows) and all(row["owner"] != name for row in rows)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["restarted", "killed"])
async def test_the_broker_goes_away_under_load(
    world: KafkaWorld, kafka: KafkaServer, tmp_path: Path, how: str
) -> None:
    async with fleet_of(world, 2, tmp_path / "log"):
        await world.note("s0", 0, id="s0-0")
        await world.expect(effects=1, timeout=30)
        load = asyncio.create_task(publish(world, 1_500, seconds=15))
        await eventually(lambda: _some(world, 300), timeout=30)
        await asyncio.to_thread(kafka.stop if how == "restarted" else kafka.kill)
        kafka.launch()
        await asyncio.to_thread(kafka.wait_ready, 60)
        await load
        await check(world, 1_500)


async def _some(world: KafkaWorld, count: int) -> bool:
    return await effects(world) >= count

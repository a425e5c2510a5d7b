"""Commands that others send in transactions: aborted ones are never carried out, open ones wait."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY

from tests.support import without
from tests.support.kafka_world import KafkaWorld
from tests.support.probe import COMMANDS, Note, Probe
from tests.support.wait import eventually
from tests.support.world import until


@asynccontextmanager
async def transactional(world: KafkaWorld) -> AsyncIterator[Any]:
    async with AIOKafkaProducer(
        bootstrap_servers=world.servers, transactional_id=f"sender-{uuid4()}"
    ) as producer:
        yield producer


async def send(producer: Any, subject: str, value: int) -> None:
    """A record of the current transaction, stored by the broker."""
    await producer.send_and_wait(
        COMMANDS,
        json.dumps({"subject": subject, "value": value}).encode(),
        subject.encode(),
        headers=[("ce_type", Note.type.encode()), ("ce_id", f"{subject}-{value}".encode())],
    )


def lag() -> float | None:
    return REGISTRY.get_sample_value("takaro_stream_group_lag", {"stream": COMMANDS, "group": "probe"})


@pytest.mark.parametrize("off", [False, True], ids=["with", "without"])
async def test_commands_of_an_aborted_transaction_are_not_carried_out(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    """Sent before and after the consumer started, between others of the same key."""
    if off:
        without.read_committed(monkeypatch)
    async with transactional(world) as producer:
        for value in range(2):
            await producer.begin_transaction()
            await send(producer, "s", 100 + value)
            await producer.abort_transaction()
            await world.note("s", value)
        async with world.running(probe) as backbone:
            await until(backbone, "active")
            for value in range(2, 4):
                await producer.begin_transaction()
                await send(producer, "s", 100 + value)
                await producer.abort_transaction()
                await world.note("s", value)
            await world.expect(effects=8 if off else 4, pending=0, timeout=60)
    assert [value for value in await world.effects() if value < 100] == [0, 1, 2, 3]
    assert await world.dead() == []


@pytest.mark.parametrize("off", [False, True], ids=["with", "without"])
async def test_commands_of_an_open_transaction_wait_for_its_commit(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    """What follows them in their partition waits with them, so that the order of a key is kept."""
    if off:
        without.read_committed(monkeypatch)
    async with transactional(world) as producer, world.running(probe) as backbone:
        await until(backbone, "active")
        await producer.begin_transaction()
        await send(producer, "s", 1)
        await world.note("s", 2)
        if off:
            await world.expect(effects=2, timeout=60)
            await producer.abort_transaction()
            return
        await eventually(lambda: lag() == 2)
        assert await world.effects() == []
        await producer.commit_transaction()
        await world.expect(effects=2, pending=0, timeout=60)
        assert await world.effects() == [1, 2]


async def test_a_parked_command_of_a_transaction_is_read_again(world: KafkaWorld, probe: Probe) -> None:
    """An aborted transaction lies between two records of a key that failed and are retried."""
    probe.failing["s"] = RuntimeError("not yet")
    async with transactional(world) as producer, world.running(probe):
        await producer.begin_transaction()
        await send(producer, "s", 1)
        await producer.commit_transaction()
        await producer.begin_transaction()
        await send(producer, "s", 100)
        await producer.abort_transaction()
        await world.note("s", 2)
        await eventually(lambda: len(probe.attempts) > 1)
        del probe.failing["s"]
        await world.expect(effects=2, pending=0, timeout=60)
    assert await world.effects() == [1, 2]


async def test_the_marks_of_transactions_are_no_lag(world: KafkaWorld, probe: Probe) -> None:
    """The last offset of the partition is a mark, not a record."""
    async with transactional(world) as producer, world.running(probe):
        await producer.begin_transaction()
        await send(producer, "s", 1)
        await producer.commit_transaction()
        await producer.begin_transaction()
        await send(producer, "s", 100)
        await producer.abort_transaction()
        await world.expect(effects=1, timeout=60)
        await eventually(lambda: lag() == 0)

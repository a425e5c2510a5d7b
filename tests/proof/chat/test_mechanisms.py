"""Each mechanism at the moment for which it exists: the promise holds with it, and breaks without it."""

import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from redis.asyncio import Redis

from tests.proof.chat.evidence import DEAD
from tests.proof.chat.judge import ChatFindings
from tests.proof.chat.stage import Stage, stage
from tests.proof.launch import DROP_TRIGGER
from tests.support.wait import eventually

UNAWARE = {"LEASE_TTL_SECONDS": "60"}
"""A holder renews its lease every 20 s, so for that long it doesn't learn that it has lost it."""

GRACE_SECONDS = 6.0
GRACE = {"SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS)}

MakeStage: TypeAlias = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def make_stage(database: str, redis: Redis, redis_url: str, tmp_path: Path) -> MakeStage:
    return partial(stage, database, redis, redis_url, tmp_path)


def with_and_without(mechanism: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("without", [None, mechanism], ids=["with", "without"])


@with_and_without("inbox")
async def test_an_event_published_twice_has_one_effect(make_stage: MakeStage, without: str | None) -> None:
    async with make_stage(without=without) as play:
        command = await play.publish()
        await play.handled(command)
        await play.repeat(command)
        await play.handled(await play.publish())
        findings = await play.judge()
    expect(findings, "doubled" if without else None)


@with_and_without("ack-after-commit")
async def test_a_command_whose_handler_is_killed_is_not_lost(
    make_stage: MakeStage, without: str | None
) -> None:
    async with make_stage(without=without) as play:
        await kill_with_a_command_in_hand(play)
        findings = await play.judge()
    expect(findings, "lost" if without else None)


@with_and_without("drain-before-read")
async def test_what_a_killed_process_held_comes_before_what_is_newer(
    make_stage: MakeStage, without: str | None
) -> None:
    async with make_stage(without=without) as play:
        await kill_with_a_command_in_hand(play)
        findings = await play.judge(patience=3)
    expect(findings, "lost" if without else None)
    assert bool(findings.stuck) == bool(without)


async def kill_with_a_command_in_hand(play: Stage) -> None:
    """The active process has read a command that it can't carry out yet; it dies, the other goes on."""
    active = await play.holder()
    async with play.locked():
        await play.publish()
        await play.waiting()
        await active.kill()
    await play.publish()
    await play.handled(await play.publish(1))


@with_and_without("read-fencing")
async def test_what_a_process_reads_that_lost_its_lease_is_not_overtaken(
    make_stage: MakeStage, without: str | None
) -> None:
    async with make_stage(without=without, environment=UNAWARE) as play:
        await play.hand_over(await play.holder())
        for _ in range(300):
            await play.publish()
        findings = await play.judge()
    expect(findings, "inversions" if without else None)


@with_and_without("fencing")
async def test_what_a_process_still_retries_that_lost_its_lease_changes_nothing(
    make_stage: MakeStage, without: str | None
) -> None:
    """The old holder waits to retry a command whose dead letter the new one has already written."""
    once = {"MAX_HANDLER_FAILURES": "1", "RETRY_BACKOFF_SECONDS": "8", "RETRY_BACKOFF_MAX_SECONDS": "8"}
    async with make_stage(without=without, environment=UNAWARE | once) as play:
        old = await play.holder()
        async with play.locked():
            command = await play.publish()
            await eventually(lambda: old.count_logged("entry held up"))
        async with play.poisoned(command):
            await play.hand_over(old)
            await eventually(lambda: play.redis.exists(DEAD))
        await play.handled(await play.publish())

        async def settled() -> bool:
            return await play.status(old) == "standby" or await play.find(command) is not None

        await eventually(settled)
        findings = await play.judge()
    assert len(findings.dead) == 1
    assert bool(findings.inversions) == bool(without), findings.by_kind()


@with_and_without("insert-trigger")
async def test_an_insert_of_a_transaction_that_began_earlier_reads_after_what_was_accepted_before_it(
    make_stage: MakeStage, database: str, without: str | None
) -> None:
    async with make_stage() as play:
        if without:
            await play.database.execute(DROP_TRIGGER)
        async with play.node_transaction() as connection:
            await play.post(play.chats[0])
            command = await play.insert(connection)
        command.close("accepted")
        await play.post(play.chats[1])
        findings = await play.judge()
    expect(findings, "inversions" if without else None)


@with_and_without("stop-limits")
async def test_a_stop_in_the_middle_of_a_batch_releases_it_within_the_grace_period(
    make_stage: MakeStage, without: str | None
) -> None:
    async with make_stage(without=without, environment=GRACE) as play:
        active = await play.holder()
        async with play.in_hand() as command:
            code = await active.stop(patience=GRACE_SECONDS)
        await play.handled(command)
        findings = await play.judge()
    assert code == (-signal.SIGKILL if without else 0)
    expect(findings, None)


@with_and_without("inbox")
async def test_a_stop_between_the_commit_of_a_batch_and_its_acknowledgement_doubles_nothing(
    make_stage: MakeStage, without: str | None
) -> None:
    async with make_stage(without=without, environment=GRACE) as play:
        active = await play.holder()
        [other] = [chat for chat in play.chats if chat is not active]
        async with play.in_hand() as command, play.deaf_redis():
            await play.let_go()
            await play.handled(command)
            code = await active.stop(patience=GRACE_SECONDS)
        await eventually(lambda: other.count_logged("drained", "count"))
        findings = await play.judge()
    assert code == 0
    expect(findings, "doubled" if without else None)


def expect(findings: ChatFindings, broken: str | None) -> None:
    """Nothing found, or at least one finding of the kind that the missing mechanism prevents."""
    found = findings.by_kind()
    if broken is None:
        assert findings.good, found
    else:
        assert found[broken], found

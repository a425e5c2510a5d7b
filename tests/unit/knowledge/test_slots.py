"""Slots: held by syncs that make progress, lent while a site is silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from knowledge.queue.worker import pause_after
from knowledge.waiting.slots import MOST_WAITING, SiteSilent, Slots, admit, waiting_for
from tests.support.wait import eventually

SITE = "docs.example:443"


@asynccontextmanager
async def silent(slots: Slots, count: int) -> AsyncIterator[asyncio.Event]:
    """``count`` syncs that wait for ``SITE`` without slots; it answers when the event is set."""
    answer = asyncio.Event()

    async def sync() -> None:
        async with slots.hold(), waiting_for(SITE):
            await answer.wait()

    tasks = [asyncio.create_task(sync()) for _ in range(count)]
    await eventually(lambda: slots.waiting[SITE] == count)
    try:
        yield answer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_sync_that_hears_nothing_lends_its_slot_and_takes_it_back_with_the_answer() -> None:
    slots, back = Slots(1, silence_seconds=0.01), asyncio.Event()
    answer = asyncio.Event()

    async def slow() -> None:
        async with slots.hold():
            async with waiting_for(SITE):
                await answer.wait()
            back.set()

    task = asyncio.create_task(slow())
    await eventually(lambda: slots.waiting == {SITE: 1})
    async with asyncio.timeout(5), slots.hold():
        answer.set()
        await eventually(lambda: not slots.waiting)
        assert not back.is_set(), "it works on with a slot only"
    await task
    assert back.is_set()
    async with asyncio.timeout(1):
        await slots.one_is_free()


async def test_a_site_that_answers_something_is_not_silent() -> None:
    slots = Slots(1, silence_seconds=1)
    async with slots.hold(), waiting_for(SITE):
        for _ in range(4):
            async with waiting_for(SITE):
                await asyncio.sleep(0.3)
        assert not slots.waiting


async def test_a_few_may_wait_for_a_site_and_the_next_are_sent_away() -> None:
    slots = Slots(MOST_WAITING, silence_seconds=0.01)
    async with silent(slots, MOST_WAITING) as answer, slots.hold():
        with pytest.raises(SiteSilent, match=r"docs\.example:443"):
            async with waiting_for(SITE):
                pass
        with pytest.raises(SiteSilent):
            admit(SITE)
        async with waiting_for("another.example:443"):
            pass
        answer.set()
        await eventually(lambda: not slots.waiting)
        admit(SITE)


async def test_slots_are_given_back_whatever_becomes_of_a_sync() -> None:
    slots = Slots(2, silence_seconds=0.01)
    async with silent(slots, 2):
        assert slots.waiting[SITE] == 2
    with pytest.raises(RuntimeError):
        async with slots.hold():
            raise RuntimeError
    assert not slots.waiting
    async with AsyncExitStack() as both, asyncio.timeout(1):
        await both.enter_async_context(slots.hold())
        await both.enter_async_context(slots.hold())


async def test_outside_of_a_sync_nothing_is_held() -> None:
    admit(SITE)
    async with waiting_for(SITE):
        pass


def test_a_job_that_was_put_back_comes_back_later_each_time() -> None:
    pauses = [pause_after(returns, 10) for returns in (0, 2, 100)]
    assert pauses == sorted(pauses)
    assert 0.5 <= pauses[0] <= 1
    assert 5 <= pauses[2] <= 10

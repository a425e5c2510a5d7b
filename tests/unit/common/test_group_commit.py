"""What arrives during a commit is committed with the next one, and each caller gets its own outcome."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from common.errors import DependencyAway, Invalid
from common.group_commit import WRITERS, GroupCommit
from common.postgres import Pool

REQUESTS = "takaro_group_commit_requests"
POOL = cast("Pool", None)


class Database:
    """Takes writes while it is open, and fails for what it is told to."""

    def __init__(self, **failures: Exception) -> None:
        self.writes: list[list[str]] = []
        self.open = asyncio.Event()
        self.failures = failures

    async def write(self, _: Pool, items: Sequence[str]) -> list[str]:
        self.writes.append(list(items))
        await self.open.wait()
        for item in items:
            if item in self.failures:
                raise self.failures[item]
        return [item.upper() for item in items]


async def called(commit: GroupCommit[str, str], *items: str) -> list[asyncio.Task[str]]:
    tasks = []
    for item in items:
        tasks.append(asyncio.create_task(commit(POOL, item)))
        for _ in range(3):  # the call, and the writer that it starts
            await asyncio.sleep(0)
    return tasks


async def answers(tasks: Sequence[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_arrives_during_a_commit_is_committed_together_in_its_order() -> None:
    database = Database()
    tasks = await called(GroupCommit("test", database.write), *"abcdef")
    assert database.writes == [[item] for item in "abcdef"[:WRITERS]]
    database.open.set()
    assert await answers(tasks) == list("ABCDEF")
    assert database.writes[WRITERS:] == [list("abcdef"[WRITERS:])]


async def test_its_histogram_counts_the_requests_of_each_commit_that_succeeded() -> None:
    def count(sample: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"{REQUESTS}_{sample}", {"write": "counted", **labels})

    database = Database(d=Invalid("no"))
    tasks = await called(GroupCommit("counted", database.write), *"abcdefgh")
    database.open.set()
    await answers(tasks)
    assert (count("sum"), count("count")) == (7, 7), "the shared commit failed, so each was tried alone"
    database.failures.clear()
    database.open.clear()
    tasks = await called(GroupCommit("counted", database.write), *"abcdefgh")
    database.open.set()
    await answers(tasks)
    assert (count("sum"), count("count")) == (15, 10)
    assert (count("bucket", le="5.0"), count("bucket", le="10.0")) == (9, 10)


async def test_a_bad_one_fails_alone() -> None:
    wrong = Invalid("no")
    database = Database(d=wrong)
    tasks = await called(GroupCommit("test", database.write), *"abcde")
    database.open.set()
    assert await answers(tasks) == ["A", "B", "C", wrong, "E"]


async def test_an_outage_is_everybodys_and_is_met_once() -> None:
    away = DependencyAway("away")
    database = Database(c=away)
    tasks = await called(GroupCommit("test", database.write), *"abcde")
    database.open.set()
    assert await answers(tasks) == ["A", "B", away, away, away]
    assert len(database.writes) == WRITERS + 1


@pytest.mark.parametrize(("most_items", "most_bytes"), [(2, 1_000), (1_000, 20)])
async def test_a_commit_is_bounded(most_items: int, most_bytes: int) -> None:
    database = Database()
    commit = GroupCommit(
        "test", database.write, size=lambda _: 10, most_items=most_items, most_bytes=most_bytes
    )
    tasks = await called(commit, *"abcdefgh")
    database.open.set()
    assert await answers(tasks) == list("ABCDEFGH")
    assert max(len(write) for write in database.writes) == 2


async def test_one_that_is_over_the_bound_by_itself_is_written() -> None:
    database = Database()
    database.open.set()
    commit = GroupCommit("test", database.write, size=lambda _: 10, most_bytes=5)
    assert await commit(POOL, "a") == "A"


async def test_who_gives_up_waiting_disturbs_nobody() -> None:
    database = Database()
    tasks = await called(GroupCommit("test", database.write), *"abcd")
    tasks[3].cancel()
    database.open.set()
    *others, given_up = await answers(tasks)
    assert others == ["A", "B", "C"]
    assert isinstance(given_up, asyncio.CancelledError)

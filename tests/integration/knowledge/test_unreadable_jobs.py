"""Jobs of ``kb-sync`` whose fields can't be read: each fails once, with its reason, and is kept."""

import json
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.test_worker import working
from tests.support import without
from tests.support.knowledge import Jobs
from tests.support.wait import eventually

HUGE = "9" * 400
DEEP = "[" * 100_000
GOOD = {"name": "sync", "data": '{"a":1}', "opts": '{"attempts":3}', "timestamp": "1700000000000"}

UNREADABLE: dict[str, dict[str, Any]] = {
    "data is no JSON": {"data": "notjson"},
    "data is NaN": {"data": "NaN"},
    "data is nested deep": {"data": DEEP},
    "data has a huge number": {"data": "9" * 5_000},
    "data isn't UTF-8": {"data": b'{"a":"\xff"}'},
    "name isn't UTF-8": {"name": b"sync\xff"},
    "opts is no JSON": {"opts": "notjson"},
    "opts is a list": {"opts": "[]"},
    "opts is null": {"opts": "null"},
    "opts is a number": {"opts": "7"},
    "opts is nested deep": {"opts": DEEP},
    "timestamp is empty": {"timestamp": ""},
    "timestamp is text": {"timestamp": "yesterday"},
    "timestamp is huge": {"timestamp": HUGE},
    "timestamp is negative": {"timestamp": "-1"},
    "timestamp has a NUL": {"timestamp": "17\0"},
    "delay is text": {"delay": "soon"},
    "priority is text": {"priority": "high"},
    "priority is a fraction": {"priority": "1.5"},
    "started attempts are text": {"ats": "x"},
    "made attempts are huge": {"atm": HUGE},
    "stalls are text": {"stc": "x"},
    "finishedOn is text": {"finishedOn": "x"},
    "progress is no JSON": {"progress": "half"},
    "stacktrace is no list": {"stacktrace": '"text"'},
    "parent is no JSON": {"parent": "notjson", "parentKey": "bull:kb-sync:1"},
    "parent is null": {"parent": "null"},
    "parent has no queue": {"parent": '{"id":"1"}', "parentKey": "bull:kb-sync:1"},
    "parent's key has no id": {"parentKey": "parent"},
}
OPTIONS: dict[str, Any] = {
    "removeOnComplete": "zz",
    "removeOnFail": "zz",
    "attempts": "many",
    "backoff": "later",
    "delay": -1,
    "priority": 1.5,
    "parent": "p",
    "repeat": [],
    "timestamp": "x",
    "stackTraceLimit": "x",
    "kl": {},
    "fpof": "yes",
}
VALUES: list[dict[str, Any]] = [
    *({name: value} for name, value in OPTIONS.items()),
    {"removeOnComplete": {"count": "zz"}},
    {"removeOnComplete": {"age": -5}},
    {"removeOnComplete": 10**30},
    {"attempts": 10**30},
    {"attempts": {}},
    {"backoff": {"type": "custom"}},
    {"backoff": {"type": "exponential", "delay": "x"}},
    {"backoff": {"type": "exponential", "delay": 10**30}},
    {"backoff": []},
    {"parent": {"id": "1"}},
    {"fpof": True, "rdof": True},
]
UNREADABLE |= {f"opts {json.dumps(each)[:60]}": {"opts": json.dumps(each)} for each in VALUES}


async def put(redis: Redis, job_id: str, fields: dict[str, Any]) -> None:
    """As another program would: the hash, then the list, then the marker that wakes a worker."""
    await redis.hset(f"bull:kb-sync:{job_id}", mapping=GOOD | fields)
    await redis.lpush("bull:kb-sync:wait", job_id)
    await redis.zadd("bull:kb-sync:marker", {"0": 0})


async def failed(redis: Redis) -> set[str]:
    found: Any = await redis.zrange("bull:kb-sync:failed", 0, -1)
    return set(found)


async def test_every_unreadable_job_fails_once_with_its_reason(redis: Redis, redis_url: str) -> None:
    ran: list[str] = []

    async def handle(job: Any) -> dict[str, Any]:
        ran.append(job.id)
        return {}

    ids = {f"odd-{number}": what for number, what in enumerate(UNREADABLE)}
    jobs = Jobs(redis)
    async with working(redis_url, handle) as worker:
        for job_id, what in ids.items():
            await put(redis, job_id, UNREADABLE[what])
        good = await jobs.sync({"fine": True}, removeOnComplete={"count": 5, "age": 60}, attempts=2)

        async def all_failed() -> set[str]:
            return set(ids) - await failed(redis)

        await eventually(lambda: _none(all_failed))
        assert good["state"] == "completed"
        assert not set(ran) & set(ids)
        assert await redis.llen("bull:kb-sync:active") == 0
        assert worker.running
    for job_id, what in ids.items():
        outcome = await jobs.finished(job_id)
        assert outcome["reason"].startswith("the job can't be read: "), what
        field = next(iter(UNREADABLE[what]))
        assert field in outcome["reason"], (what, outcome["reason"])
        assert await redis.hget(f"bull:kb-sync:{job_id}", "atm") is not None


async def _none(look: Any) -> bool:
    assert await look() == set()
    return True


async def test_an_entry_of_the_queue_that_is_no_job_is_removed(redis: Redis, redis_url: str) -> None:
    async def handle(_: Any) -> dict[str, Any]:
        return {"fine": True}

    await redis.set("bull:kb-sync:text", "no hash")
    await redis.lpush("bull:kb-sync:wait", "text", "without-hash")
    async with working(redis_url, handle):
        assert (await Jobs(redis).sync({}))["result"] == {"fine": True}
        await eventually(lambda: _is_idle(redis))
    assert await redis.get("bull:kb-sync:text") == "no hash"


async def _is_idle(redis: Redis) -> bool:
    return await redis.llen("bull:kb-sync:active") + await redis.llen("bull:kb-sync:wait") == 0


async def test_an_id_that_cannot_be_stored_fails_too(redis: Redis, redis_url: str) -> None:
    async def handle(_: Any) -> dict[str, Any]:
        raise AssertionError("it ran")

    async with working(redis_url, handle):
        await put(redis, "odd\0id", {})
        outcome = await Jobs(redis).finished("odd\0id")
    assert "its id must not contain U+0000" in outcome["reason"]


async def test_it_is_removed_as_its_readable_options_say(redis: Redis, redis_url: str) -> None:
    async def handle(_: Any) -> dict[str, Any]:
        return {}

    options = json.dumps({"attempts": "many", "removeOnFail": {"count": 1}})
    async with working(redis_url, handle):
        for number in range(3):
            await put(redis, f"odd-{number}", {"opts": options})
            await eventually(partial(_has_failed, redis, f"odd-{number}"))
    assert await failed(redis) == {"odd-2"}


async def _has_failed(redis: Redis, job_id: str) -> bool:
    return job_id in await failed(redis)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": None, "backoff": None, "removeOnFail": None},
        {"attempts": 2, "backoff": {"type": "exponential"}},
        {"attempts": 2, "backoff": 1.5},
        {"attempts": 2.0, "backoff": {"type": "fixed", "delay": 0.4, "jitter": 0.5}},
    ],
)
async def test_options_that_node_takes_are_taken(redis: Redis, redis_url: str, options: Any) -> None:
    """The port compares ``null`` with numbers, and multiplies a delay that isn't there, when a run fails."""

    async def handle(_: Any) -> dict[str, Any]:
        raise RuntimeError("not today")

    async with working(redis_url, handle):
        await put(redis, "odd", {"opts": json.dumps(options)})
        outcome = await Jobs(redis).finished("odd")
    assert (outcome["state"], outcome["reason"]) == ("failed", "not today")


async def test_without_reading_it_first_the_job_stays_active(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.reading_of_jobs(monkeypatch)

    async def handle(_: Any) -> dict[str, Any]:
        return {}

    async with working(redis_url, handle):
        await put(redis, "odd", {"opts": "notjson"})
        await eventually(lambda: _is_active(redis, "odd"))
        assert (await Jobs(redis).sync({"fine": True}))["state"] == "completed"
        assert await _is_active(redis, "odd")
        await redis.delete("bull:kb-sync:odd")


async def _is_active(redis: Redis, job_id: str) -> bool:
    return job_id in await redis.lrange("bull:kb-sync:active", 0, -1)

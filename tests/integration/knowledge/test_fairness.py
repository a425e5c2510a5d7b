"""A base whose source or embedder is down delays no other base, however many such bases there are."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from knowledge.content.lease import BaseBusy, hold_base
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.queue.jobs import run_job
from knowledge.queue.worker import QueueWorker
from knowledge.sync.work import SyncDeps
from knowledge.waiting.slots import MOST_WAITING
from knowledge.web.retries import Retries
from tests.integration.knowledge.conftest import Harness, reaching
from tests.support.embeddings import serve_embeddings
from tests.support.github import Answer
from tests.support.knowledge import Jobs
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually
from tests.support.web import Request, WebServer, serve

MOST_AT_A_SITE = MOST_WAITING + 3
"""The last of the waiting syncs arrive together, with the other slots."""
AT_ONCE = 10.0
"""Seconds that a base behind the others may wait, on a busy machine."""


@asynccontextmanager
async def working(redis_url: str, deps: SyncDeps) -> AsyncIterator[None]:
    worker = QueueWorker(redis_url, partial(run_job, deps), concurrency=4, grace_seconds=4)
    task = asyncio.create_task(worker.run())
    try:
        await eventually(lambda: worker.running)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def silent_sites(count: int, speak: asyncio.Event) -> AsyncIterator[list[WebServer]]:
    """Websites with one page each that don't answer before ``speak`` is set."""

    async def answer(request: Request) -> Answer:
        await speak.wait()
        if not request.path.endswith(".xml"):
            return Answer(
                404 if request.path == "/robots.txt" else 200, b"A page.", {"Content-Type": "text/plain"}
            )
        page = f"http://{request.headers['host']}/page"
        return Answer(200, f"<urlset><url><loc>{page}</loc></url></urlset>".encode())

    if not count:
        yield []
        return
    async with serve(answer) as site, silent_sites(count - 1, speak) as others:
        yield [site, *others]


def folder_of(tmp_path: Path, name: str) -> dict[str, Any]:
    """A job for a base that needs no request to another host."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "page.md").write_text(f"All of {name}.")
    return {"knowledgeBaseId": name, "version": "latest", "source": (tmp_path / name).as_uri()}


async def test_a_base_behind_many_whose_sites_are_silent_is_synced_at_once(
    harness: Harness, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """These wait, or are put back. Once their sites answer, all of them are synced at the first attempt."""
    jobs, speak = Jobs(redis), asyncio.Event()
    healthy = folder_of(tmp_path, "healthy")
    async with (
        silent_sites(3, speak) as sites,
        # Whoever gives up asks again, which would count.
        httpx.AsyncClient(trust_env=False, timeout=120, verify=NO_TLS) as patient,
        working(redis_url, reaching(harness, "127.0.0.1", http=patient)),
    ):
        silent = [
            await jobs.add(
                {"knowledgeBaseId": f"{name}-{i}", "version": "1", "source": f"sitemap+{site.url}/s.xml"}
            )
            for i, name in enumerate(["a"] * 10 + ["b"] * 2 + ["c"] * 2)
            for site in [sites["abc".index(name)]]
        ]
        await eventually(lambda: len(sites[0].requests) == 4)
        started = time.monotonic()
        assert (await jobs.sync(healthy))["state"] == "completed"
        assert time.monotonic() - started < AT_ONCE

        async def all_wait() -> bool:
            return len(sites[1].requests) == len(sites[2].requests) == 2

        await eventually(all_wait)
        started = time.monotonic()
        assert (await jobs.sync(healthy))["result"]["type"] == "skipped"
        assert time.monotonic() - started < AT_ONCE
        assert await redis.zcard("bull:kb-sync:delayed") > 0, "put back"
        assert len(sites[0].requests) <= MOST_AT_A_SITE, "those who come later don't even ask"
        speak.set()
        outcomes = [await jobs.finished(job_id) for job_id in silent]
    assert {outcome["state"] for outcome in outcomes} == {"completed"}
    made = [await redis.hget(f"bull:kb-sync:{job_id}", "atm") for job_id in silent]
    assert set(made) == {"1"}


async def test_bases_that_need_no_embedding_pass_those_that_wait_for_the_embedder(
    harness: Harness, redis: Redis, redis_url: str
) -> None:
    jobs, speak = Jobs(redis), asyncio.Event()

    async def hold(_: list[str]) -> None:
        await speak.wait()

    def job(name: str) -> dict[str, Any]:
        return {
            "knowledgeBaseId": name,
            "version": "latest",
            "source": harness.github.source("docs"),
            "chunkSize": size,
        }

    async with serve_embeddings() as api, httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        embedder = OpenAiEmbedder(http, OpenAiAccess(api.url, "model", retries=Retries(2, 0.001)))
        async with working(redis_url, replace(harness.deps, embedder=embedder)):
            size = 1000
            assert (await jobs.sync(job("unchanged")))["result"]["type"] == "full"
            api.before, api_calls, size = hold, len(api.calls), 500
            downloads = harness.github.calls["raw"]
            waiting = [await jobs.add(job(f"new-{i}")) for i in range(10)]
            await eventually(lambda: len(api.calls) - api_calls >= MOST_WAITING)
            size, started = 1000, time.monotonic()
            assert (await jobs.sync(job("unchanged")))["result"]["type"] == "skipped"
            assert time.monotonic() - started < AT_ONCE

            async def put_back() -> bool:
                return await redis.zcard("bull:kb-sync:delayed") >= 3

            await eventually(put_back)
            assert harness.github.calls["raw"] - downloads <= MOST_AT_A_SITE * 2, "nothing is read for no use"
            speak.set()
            assert {(await jobs.finished(job_id))["state"] for job_id in waiting} == {"completed"}


async def test_jobs_of_a_base_that_is_being_written_keep_no_slot(
    harness: Harness, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """While the last transaction of a sync locks the lease's row, which can take minutes."""
    jobs, busy, other = Jobs(redis), folder_of(tmp_path, "busy"), folder_of(tmp_path, "other")
    async with working(redis_url, harness.deps), harness.pool.acquire() as connection:
        await jobs.sync(busy)
        await jobs.sync(other)
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM leases WHERE name = 'knowledge.sync:busy' FOR SHARE")
            with pytest.raises(BaseBusy):
                async with asyncio.timeout(1), hold_base(harness.pool, "busy", "another", 3):
                    pass
            waiting = [await jobs.add(busy) for _ in range(4)]
            started = time.monotonic()
            assert (await jobs.sync(other))["state"] == "completed"
            assert time.monotonic() - started < AT_ONCE
        assert (await jobs.finished(waiting[0]))["state"] == "completed"

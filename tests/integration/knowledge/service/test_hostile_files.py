"""A base of hostile files holds up nobody: not the service, not the base of somebody else."""

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest
from redis.asyncio import Redis

from tests.support.hostile import HOSTILE_FILES
from tests.support.knowledge import Jobs, chunks_of, fetch, knowledge_service
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(300)

LIMITS = {"READER_CPU_SECONDS": "2", "READER_MEMORY_BYTES": str(400 << 20), "MAX_CHUNKS_PER_FILE": "500"}


def data(folder: Path, base: str) -> dict[str, object]:
    extensions = [".md", ".mdx", ".html", ".json", ".txt", ".pdf"]
    source = (folder / base).as_uri()
    return {"knowledgeBaseId": base, "version": "latest", "source": source, "extensions": extensions}


async def slowest_health(client: httpx.AsyncClient, until: "asyncio.Task[object]") -> float:
    slowest = 0.0
    while not until.done():
        began = time.monotonic()
        assert (await client.get("/health")).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.05)
    return slowest


async def test_hostile_files_hold_up_neither_the_service_nor_another_base(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    jobs = Jobs(redis)
    for base in ("hostile", "quiet"):
        (tmp_path / base).mkdir()
    for name, content in HOSTILE_FILES.items():
        (tmp_path / "hostile" / name).write_bytes(content)
    for number in range(20):
        (tmp_path / "quiet" / f"{number}.md").write_text(f"# Lever {number}\n\nPull it.")
    environment = {"LOCAL_SOURCES_ROOT": str(tmp_path), **LIMITS}
    async with (
        knowledge_service(database, redis_url, tmp_path / "service", **environment) as service,
        service.client() as client,
    ):
        process = psutil.Process(service.pid)
        before = process.memory_info().rss
        hostile = asyncio.create_task(jobs.finished(await jobs.add(data(tmp_path, "hostile")), timeout=240))
        await eventually(lambda: len(process.children()) > 0)
        quiet = asyncio.create_task(jobs.sync(data(tmp_path, "quiet")))
        async with asyncio.timeout(10):  # read in the service itself, it took 15 s where this takes 0.7
            assert await slowest_health(client, quiet) < 3
        assert (await quiet)["state"] == "completed"
        assert not hostile.done(), "the other base was synced meanwhile"
        assert await slowest_health(client, hostile) < 3
        assert (await hostile)["state"] == "completed", "a refused file is no failure"
        assert process.memory_info().rss - before < 100 << 20
        refused = await fetch(
            database,
            "SELECT path, reason FROM knowledge_files WHERE knowledge_base_id = $1 AND outcome = $2",
            "hostile",
            "unsupported",
        )
        # Whether others are refused too depends on how much a machine reads in their time.
        assert {"deep.html", "long.txt"} <= {row["path"] for row in refused}
        assert all(row["reason"] for row in refused)
        again = await jobs.sync(data(tmp_path, "hostile"))
        assert again["result"]["type"] == "skipped", "what was refused is not read again"
        readers = process.children()
        assert readers
        await asyncio.to_thread(os.kill, service.pid, signal.SIGKILL)
        await eventually(lambda: not any(reader.is_running() for reader in readers), timeout=10)
    assert len(await chunks_of(database, "quiet")) == 20

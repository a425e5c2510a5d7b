"""A sync's files are counted as they are done, not when all of them are."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from knowledge.embeddings import Vectors
from knowledge.registry.registration import register_from_job
from knowledge.sync import reporting
from knowledge.sync.progress import Progress
from knowledge.sync.records import SyncRun
from knowledge.sync.use_cases import sync_base
from tests.integration.knowledge.conftest import Harness
from tests.support.github import Answer
from tests.support.wait import eventually

PAGES = 12


class Watched:
    """A base of twelve small pages, whose sync is watched."""

    def __init__(self, harness: Harness) -> None:
        self._harness, self.told = harness, [dict[str, Any]()]
        for i in range(PAGES):
            harness.repository.write(f"pages/{i:02}.md", f"Page {i}.")
        harness.repository.commit()
        harness.embedder.batch_size = 1

    async def watch(self, progress: Progress) -> None:
        self.told.append(progress.to_json())

    async def sync(self) -> None:
        base = await register_from_job(self._harness.pool, self._harness.base("pages", "pages"))
        await sync_base(self._harness.deps, SyncRun(uuid4(), base, "incremental", "job", "1"), self.watch)

    def read(self) -> int:
        read: int = self.told[-1].get("filesRead", 0)
        return read


async def test_files_are_counted_as_their_chunks_are_embedded(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "INTERVAL_SECONDS", 0)
    watched, real = Watched(harness), harness.embedder.embed
    seen: list[int] = []

    async def embed(texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        seen.append(watched.read())
        return await real(texts, urgent=urgent)

    monkeypatch.setattr(harness.embedder, "embed", embed)
    await watched.sync()
    assert len(seen) == PAGES
    assert seen == sorted(seen)
    assert seen[-1] >= PAGES - 2, "all but the one that is embedded now, and the one that is told next"
    assert seen[PAGES // 2] in range(PAGES // 2 - 2, PAGES // 2 + 1)


async def test_files_are_counted_while_others_are_fetched(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "INTERVAL_SECONDS", 0)
    watched, loop = Watched(harness), asyncio.get_running_loop()

    def hold_the_last(target: str) -> Answer | None:
        if target.endswith(f"pages/{PAGES - 1:02}.md"):
            asyncio.run_coroutine_threadsafe(others_are_counted(), loop).result(60)
        return None

    async def others_are_counted() -> None:
        await eventually(lambda: watched.read() == PAGES - 1, timeout=50)

    harness.github.fault = hold_the_last
    harness.http.timeout = 60
    await watched.sync()
    assert watched.read() == PAGES

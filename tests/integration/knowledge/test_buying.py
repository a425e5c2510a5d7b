"""Several batches of a sync are in flight at once: answers are stored, whatever happens to the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from common.errors import PermanentError
from knowledge.embeddings import Vectors
from knowledge.embeddings.limits import Limits
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.embeddings.refusals import HARMLESS
from knowledge.sync.records import SyncResult
from knowledge.sync.work import SyncDeps
from tests.integration.knowledge.conftest import Harness
from tests.support.embeddings import EmbeddingsApi, serve_embeddings
from tests.support.github import Answer
from tests.support.wait import eventually

CONCURRENCY = 3
BATCH = 4


@pytest.fixture
async def api() -> AsyncIterator[EmbeddingsApi]:
    async with serve_embeddings() as api:
        yield api


def deps(harness: Harness, api: EmbeddingsApi) -> SyncDeps:
    """As one process has them: every sync shares the embedder."""
    access = OpenAiAccess(api.url, "model", batch_size=BATCH, limits=Limits(CONCURRENCY))
    return replace(harness.deps, embedder=OpenAiEmbedder(harness.http, access))


def write_pages(harness: Harness, folder: str, count: int) -> None:
    for i in range(count):
        harness.repository.write(f"{folder}/{i:02}.md", f"Page {i} of {folder}.")
    harness.repository.commit()


async def sync(harness: Harness, folder: str, deps: SyncDeps) -> SyncResult:
    return await harness.sync(harness.base(folder, folder), deps=deps)


async def cached(harness: Harness) -> int:
    count: int = await harness.pool.fetchval("SELECT count(*) FROM knowledge_embedding_cache")
    return count


async def test_two_syncs_share_the_calls_that_may_be_under_way(harness: Harness, api: EmbeddingsApi) -> None:
    async def take_a_while(_: list[str]) -> None:
        await asyncio.sleep(0.02)

    api.before = take_a_while
    for folder in ("left", "right"):
        write_pages(harness, folder, 40)
    shared = deps(harness, api)
    await asyncio.gather(*(sync(harness, folder, shared) for folder in ("left", "right")))
    assert api.most_under_way == CONCURRENCY
    assert sorted(len(call.texts) for call in api.calls) == [BATCH] * 20, "full batches, and no call too many"


async def test_a_slow_batch_holds_up_no_other(harness: Harness, api: EmbeddingsApi) -> None:
    release = asyncio.Event()

    async def hold_the_first(texts: list[str]) -> None:
        if texts == api.calls[0].texts:
            await release.wait()

    api.before = hold_the_first
    harness.repository.write("pages/last.md", "Page 0 of pages.")
    write_pages(harness, "pages", 80)
    syncing = asyncio.create_task(sync(harness, "pages", deps(harness, api)))

    async def others_are_kept() -> bool:
        return await cached(harness) == 80 - BATCH

    await eventually(others_are_kept)
    release.set()
    assert (await syncing).chunks_created == 81
    assert set(api.texts_of("model").values()) == {1}, "what was on its way was not bought again"


async def test_a_batch_that_fails_leaves_the_others_in_the_cache(
    harness: Harness, api: EmbeddingsApi
) -> None:
    """The embedder takes nothing: it refuses a harmless text too, which is asked for next."""
    release = asyncio.Event()

    async def refuse_the_first(texts: list[str]) -> Answer | None:
        await eventually(lambda: api.most_under_way == CONCURRENCY)
        if "Page 0 of pages." in texts or texts == [HARMLESS]:
            return Answer(400, b"no")
        await release.wait()
        return None

    api.before = refuse_the_first
    write_pages(harness, "pages", 24)
    tasks = asyncio.all_tasks()
    syncing = asyncio.create_task(sync(harness, "pages", deps(harness, api)))
    asked = CONCURRENCY + 1
    await eventually(lambda: (len(api.calls), api.under_way) == (asked, CONCURRENCY - 1))
    release.set()
    with pytest.raises(PermanentError, match="HTTP 400"):
        await syncing
    assert await cached(harness) == (CONCURRENCY - 1) * BATCH
    assert len(api.calls) == asked, "nothing more is bought for a sync that fails"
    assert not buying_since(tasks)
    api.before = None
    await sync(harness, "pages", deps(harness, api))
    assert set(api.texts_of("model").values()) == {1}, "the next sync buys only what lacks"
    assert api.texts_of("model").total() == 24


async def test_a_cancelled_sync_waits_for_no_call_and_leaves_none(
    harness: Harness, api: EmbeddingsApi
) -> None:
    release = asyncio.Event()

    async def hold(_: list[str]) -> None:
        await release.wait()

    api.before = hold
    write_pages(harness, "pages", 24)
    tasks = asyncio.all_tasks()
    syncing = asyncio.create_task(sync(harness, "pages", deps(harness, api)))
    await eventually(lambda: api.under_way == CONCURRENCY)
    syncing.cancel()
    ended, _ = await asyncio.wait({syncing}, timeout=5)
    assert ended
    assert syncing.cancelled()
    assert not buying_since(tasks)
    release.set()


def buying_since(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    return {task for task in asyncio.all_tasks() - tasks if "buy" in repr(task.get_coro())}


class Noticed:
    """The embedder, and whether it was asked."""

    def __init__(self, embedder: OpenAiEmbedder) -> None:
        self._embedder, self.asked = embedder, asyncio.Event()
        self.model, self.batch_size, self.concurrency = embedder.model, BATCH, embedder.concurrency
        self.window = embedder.window

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        self.asked.set()
        return await self._embedder.embed(texts, urgent=urgent, once=once)

    async def close(self) -> None: ...


async def test_a_large_base_starves_no_small_one(harness: Harness, api: EmbeddingsApi) -> None:
    write_pages(harness, "large", 80)
    write_pages(harness, "small", 1)
    shared = deps(harness, api)
    assert isinstance(shared.embedder, OpenAiEmbedder)
    small = Noticed(shared.embedder)

    async def hold_until_both_ask(_: list[str]) -> None:
        await small.asked.wait()

    api.before = hold_until_both_ask
    large = asyncio.create_task(sync(harness, "large", shared))
    await eventually(lambda: api.under_way == CONCURRENCY)
    await sync(harness, "small", replace(shared, embedder=small))
    await large
    place = [call.texts for call in api.calls].index(["Page 0 of small."])
    assert place <= 2 * CONCURRENCY, "behind what was under way and what that base had waiting"

"""An embeddings API gets no more calls at once, and no more in a minute, than the settings say."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from common.errors import TransientError
from knowledge.embeddings.limits import Limits
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.web.retries import Retries, asked_pause
from tests.support.embeddings import EmbeddingsApi, serve_embeddings
from tests.support.github import Answer
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually

QUESTION = "Which lever?"


@asynccontextmanager
async def provider(limits: Limits) -> AsyncIterator[tuple[EmbeddingsApi, OpenAiEmbedder]]:
    async with serve_embeddings() as api, httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        access = OpenAiAccess(api.url, "model", retries=Retries(3, 0.001), limits=limits)
        yield api, OpenAiEmbedder(http, access)


async def embed_pages(embedder: OpenAiEmbedder, count: int, length: int = 4) -> None:
    await asyncio.gather(*(embedder.embed([f"{i:<{length}}"]) for i in range(count)))


async def test_calls_at_once_are_bounded_and_a_query_passes_them() -> None:
    release = asyncio.Event()

    async def hold(texts: list[str]) -> None:
        if texts != [QUESTION]:
            await release.wait()

    async with provider(Limits(concurrency=3)) as (api, embedder):
        api.before = hold
        pages = asyncio.create_task(embed_pages(embedder, 10))
        await eventually(lambda: api.under_way == 3)
        async with asyncio.timeout(20):
            await embedder.embed([QUESTION], urgent=True)
        release.set()
        await pages
        assert len(api.calls) == 11
        assert api.most_under_way == 4, "three of syncs, and the query"


async def test_requests_are_spread_over_the_minute() -> None:
    started = time.monotonic()
    async with provider(Limits(concurrency=8, requests_per_minute=600)) as (api, embedder):
        await embed_pages(embedder, 20)
    assert len(api.calls) == 20
    assert api.calls[14].at - started >= 0.5, "a second's worth at once, then one each tenth of a second"
    assert 20 > api.calls[19].at - started >= 1.0


async def test_tokens_are_spread_and_a_batch_may_be_larger_than_what_goes_at_once() -> None:
    started = time.monotonic()
    async with provider(Limits(tokens_per_minute=60_000)) as (api, embedder):
        await embed_pages(embedder, 2, length=4 * 1200)
    first, second = (call.at - started for call in api.calls)
    assert first >= 0.2, "1,000 at once, and 200 more by then"
    assert 20 > second >= 1.4


async def test_a_query_takes_what_the_limits_have_next() -> None:
    async with provider(Limits(concurrency=4, requests_per_minute=600)) as (api, embedder):
        pages = asyncio.create_task(embed_pages(embedder, 60))
        await eventually(lambda: len(api.calls) >= 10)
        await embedder.embed([QUESTION], urgent=True)
        pages.cancel()
    place = [call.texts for call in api.calls].index([QUESTION])
    assert place < 30


async def test_a_query_goes_all_the_same_when_the_limits_have_nothing_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("knowledge.embeddings.limits.QUERY_SECONDS", 0.1)
    async with provider(Limits(requests_per_minute=1)) as (api, embedder):
        await embedder.embed(["page"])
        async with asyncio.timeout(20):
            await embedder.embed([QUESTION], urgent=True)
    assert len(api.calls) == 2


async def test_one_call_that_is_told_to_wait_holds_back_all() -> None:
    refused: list[float] = []

    async def refuse_the_first(texts: list[str]) -> Answer | None:
        if not refused:
            refused.append(time.monotonic())
            return Answer(429, b"", {"Retry-After": "0.5"})
        await eventually(lambda: len(api.calls) > 3)  # the others in flight, until a later one comes
        return None

    async with provider(Limits(concurrency=3)) as (api, embedder):
        api.before = refuse_the_first
        await embed_pages(embedder, 10)
    assert len(api.calls) == 11
    assert api.calls[3].at - refused[0] >= 0.5


async def test_a_pause_that_is_too_long_fails_those_who_wait_too() -> None:
    async def refuse(texts: list[str]) -> Answer:
        return Answer(429, b"", {"Retry-After": "60"})

    async with provider(Limits(concurrency=1)) as (api, embedder):
        api.before = refuse
        calls = [embedder.embed([f"{i}"]) for i in range(4)]
        errors = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(TransientError, match="asks to wait 60 s"):
            await embedder.embed([QUESTION], urgent=True)
    assert all("to wait 60 s" in str(error) for error in errors)
    assert len(api.calls) == 1, "the others were not even asked"


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7), ("inf", 3_600), ("1e300", 3_600), ("nan", 0), ("-1", 0)]
)
def test_nobody_is_kept_away_for_more_than_an_hour(said: str, seconds: float) -> None:
    assert asked_pause(httpx.Response(429, headers={"Retry-After": said})) == seconds

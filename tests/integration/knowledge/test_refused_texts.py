"""A text that the embedder refuses costs its own file, and no other; an embedder that is down costs none."""

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from common.errors import PermanentError, TakaroError, TransientError
from knowledge.embeddings.limits import Limits
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.embeddings.refusals import HARMLESS
from knowledge.sync.use_cases import FilesRefused, FilesUnreadable
from knowledge.sync.work import SyncDeps
from knowledge.web.retries import Retries
from tests.integration.knowledge.conftest import Harness
from tests.support.embeddings import EmbeddingsApi, serve_embeddings
from tests.support.github import Answer

BATCH = 16
PAGES = 24
BAD = "Page 5 of it."
ATTEMPTS = 3


@pytest.fixture
async def api() -> AsyncIterator[EmbeddingsApi]:
    async with serve_embeddings() as api:
        yield api


def using(harness: Harness, api: EmbeddingsApi, model: str = "model") -> SyncDeps:
    access = OpenAiAccess(api.url, model, batch_size=BATCH, retries=Retries(ATTEMPTS, 0.001, 1))
    return replace(harness.deps, embedder=OpenAiEmbedder(harness.http, access))


def refuse(api: EmbeddingsApi, answer: Answer, concerns: Callable[[list[str]], bool]) -> None:
    async def before(texts: list[str]) -> Answer | None:
        return answer if concerns(texts) else None

    api.before = before


def write_pages(harness: Harness, *more: str) -> None:
    for i in range(PAGES):
        harness.repository.write(f"pages/{i:02}.md", f"Page {i} of it.")
    for number, text in enumerate(more):
        harness.repository.write(f"pages/more-{number}.md", text)
    harness.repository.commit()


async def sync(harness: Harness, deps: SyncDeps) -> Any:
    return await harness.sync(harness.base("pages", "pages"), deps=deps)


async def paths(harness: Harness) -> list[str]:
    rows = await harness.pool.fetch(
        "SELECT DISTINCT metadata->>'sourceFile' AS path FROM knowledge_embeddings ORDER BY 1"
    )
    return [row["path"] for row in rows]


async def failed(harness: Harness) -> dict[str, str]:
    rows = await harness.pool.fetch("SELECT path, reason FROM knowledge_files WHERE outcome = 'failed'")
    return {row["path"]: row["reason"] for row in rows}


NONSENSE = Answer(200, b'{"data": [{"index": 0, "embedding": [NaN]}]}', {"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (Answer(400, b"no"), FilesRefused, "HTTP 400"),
        (Answer(403, b"no"), FilesRefused, "HTTP 403"),
        (Answer(422, b"no"), FilesRefused, "HTTP 422"),
        (Answer(500, b"oops"), FilesUnreadable, "HTTP 500"),
        (NONSENSE, FilesUnreadable, "embeddings"),
    ],
    ids=["400", "403", "422", "500", "nonsense"],
)
async def test_a_refused_text_fails_its_file_alone(
    harness: Harness, api: EmbeddingsApi, answer: Answer, error: type[TakaroError], reason: str
) -> None:
    write_pages(harness)
    refuse(api, answer, lambda texts: BAD in texts)
    deps = using(harness, api)
    with pytest.raises(error, match=rf"1 of {PAGES} files.*pages/05\.md: part 1 of 1 can't be embedded"):
        await sync(harness, deps)
    assert await paths(harness) == [f"pages/{i:02}.md" for i in range(PAGES) if i != 5]
    assert reason in (await failed(harness))["pages/05.md"]
    last = (await harness.facts("pages"))[-1]
    assert (last["type"], last["data"]["failedFiles"]) == ("knowledge.sync.failed.v1", ["pages/05.md"])
    refused = [call.texts for call in api.calls if BAD in call.texts]
    once = len({tuple(texts) for texts in refused})
    assert once <= 1 + math.log2(BATCH), "the batch, and a half of it at each step"
    repeated = ATTEMPTS if answer.status == 500 else 2
    assert len(refused) <= once + 2 * (repeated - 1), "only the batch and the one text are tried again"
    assert set(api.texts_of("model").values()) == {1}, "and what is embedded is paid for once"

    api.calls.clear()
    with pytest.raises(error):
        await sync(harness, deps)
    assert {text for call in api.calls for text in call.texts} == {BAD, HARMLESS}
    harness.repository.write("pages/05.md", "Another text.")
    harness.repository.commit()
    assert (await sync(harness, deps)).added == 1
    assert await failed(harness) == {}


async def test_a_changed_file_whose_text_is_refused_keeps_its_old_chunks(
    harness: Harness, api: EmbeddingsApi
) -> None:
    write_pages(harness)
    deps = using(harness, api)
    await sync(harness, deps)
    harness.repository.write("pages/05.md", "A bad word.")
    harness.repository.write("pages/06.md", "A good word.")
    harness.repository.commit()
    refuse(api, Answer(400, b"no"), lambda texts: any("bad" in text for text in texts))
    with pytest.raises(FilesRefused):
        await sync(harness, deps)
    assert await harness.text_of("pages/05.md", "pages") == [BAD]
    assert await harness.text_of("pages/06.md", "pages") == ["A good word."]


async def test_a_new_model_that_refuses_a_text_takes_the_others_all_the_same(
    harness: Harness, api: EmbeddingsApi
) -> None:
    write_pages(harness)
    await sync(harness, using(harness, api, "old"))
    refuse(api, Answer(400, b"no"), lambda texts: BAD in texts)
    with pytest.raises(FilesRefused):
        await sync(harness, using(harness, api, "newer"))
    assert len(await paths(harness)) == PAGES - 1, "no row of the old model is left among the new ones"


async def test_several_refused_texts_are_each_found(harness: Harness, api: EmbeddingsApi) -> None:
    bad = {f"Page {i} of it." for i in (0, 1, 7, 15, 16, 23)}
    write_pages(harness)
    refuse(api, Answer(400, b"no"), lambda texts: bool(bad & set(texts)))
    with pytest.raises(FilesRefused, match="6 of 24 files"):
        await sync(harness, using(harness, api))
    assert len(await paths(harness)) == PAGES - 6
    failures = sum(bool(bad & set(call.texts)) for call in api.calls)
    assert failures <= 2 + len(bad) * math.log2(BATCH)


@pytest.mark.parametrize("answer", [Answer(413, b"too large"), None], ids=["413", "closed"])
async def test_a_limit_on_the_whole_request_refuses_no_file(
    harness: Harness, api: EmbeddingsApi, answer: Answer | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pages(harness)
    deps = using(harness, api)
    if answer:
        refuse(api, answer, lambda texts: len(texts) > 5)
    else:
        post = harness.http.post

        async def hang_up(*args: Any, content: bytes, **more: Any) -> httpx.Response:
            if len(content) > 300:
                raise httpx.WriteError("connection reset")
            return await post(*args, content=content, **more)

        monkeypatch.setattr(harness.http, "post", hang_up)
    result = await sync(harness, deps)
    assert result.added == PAGES
    bought = api.texts_of("model")
    del bought[HARMLESS]
    assert set(bought.values()) == {1}


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
async def test_an_embedder_that_takes_nothing_fails_the_sync_and_no_file(
    harness: Harness, api: EmbeddingsApi, status: int
) -> None:
    write_pages(harness)
    refuse(api, Answer(status, b"no"), lambda _: True)
    error = TransientError if status == 500 else PermanentError
    with pytest.raises(error, match=f"HTTP {status}") as raised:
        await sync(harness, using(harness, api))
    assert not isinstance(raised.value, FilesRefused | FilesUnreadable)
    assert await failed(harness) == {}
    most = (ATTEMPTS if status == 500 else 1) + 1
    assert len(api.calls) <= most * -(-PAGES // BATCH), "each batch, and one harmless text to know why"


async def test_an_embedder_that_takes_little_more_than_nothing_is_not_asked_for_everything(
    harness: Harness, api: EmbeddingsApi
) -> None:
    """Such as one whose limit on a text is below the size of every chunk."""
    write_pages(harness, *(f"More of page {i}." for i in range(100)))
    refuse(api, Answer(400, b"no"), lambda texts: texts != [HARMLESS])
    with pytest.raises(PermanentError, match="HTTP 400") as raised:
        await sync(harness, using(harness, api))
    assert not isinstance(raised.value, FilesRefused)
    assert len(api.calls) < 124


async def test_many_files_that_are_refused_each_time_do_not_hold_up_the_others(
    harness: Harness, api: EmbeddingsApi
) -> None:
    bad = [f"A bad word, {i} times." for i in range(22)]
    write_pages(harness, *bad)
    refuse(api, Answer(400, b"no"), lambda texts: any("bad" in text for text in texts))
    deps = using(harness, api)
    with pytest.raises(FilesRefused, match="22 of 46 files"):
        await sync(harness, deps)
    harness.repository.write("pages/05.md", "A good word.")
    harness.repository.commit()
    with pytest.raises(FilesRefused, match="22 of 46 files"):
        await sync(harness, deps)
    assert await harness.text_of("pages/05.md", "pages") == ["A good word."]


@pytest.mark.parametrize("name", ["first", "zz-last"])
async def test_a_file_with_many_refused_texts_is_one_refused_file(
    harness: Harness, api: EmbeddingsApi, name: str
) -> None:
    """Such as one in a language of which the API's limit on tokens allows fewer letters."""
    sentences = (
        f"In bad sentence {i} of this page, {'every word of it ' * 30}is refused.\n" for i in range(80)
    )
    harness.repository.write(f"pages/{name}.md", "".join(sentences))
    write_pages(harness)
    refuse(api, Answer(400, b"no"), lambda texts: any("sentence" in text for text in texts))
    access = OpenAiAccess(api.url, "model", batch_size=BATCH, limits=Limits(concurrency=1))
    deps = replace(harness.deps, embedder=OpenAiEmbedder(harness.http, access))
    with pytest.raises(FilesRefused, match=rf"1 of {PAGES + 1} files.*pages/{name}\.md: part "):
        await sync(harness, deps)
    assert await paths(harness) == [f"pages/{i:02}.md" for i in range(PAGES)]
    asked = {text for call in api.calls for text in call.texts if "sentence" in text}
    assert len(asked) <= BATCH, "a file that has failed is asked for no further"


async def test_the_local_model_names_the_file_that_it_fails_with(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its libraries raise errors of their own, or answer NaN."""
    write_pages(harness, "not a number")
    embedder = MiniLmEmbedder()

    def embed_one(_session: Any, _tokenizer: Any, text: str) -> Any:
        if text == BAD:
            raise RuntimeError("the model's own error")
        return np.full(384, np.nan if "number" in text else 0.05, dtype=np.float32)

    monkeypatch.setattr(embedder, "_load", lambda: (None, None))
    monkeypatch.setattr(embedder, "_embed_one", embed_one)
    with pytest.raises(FilesUnreadable, match="2 of 25 files"):
        await sync(harness, replace(harness.deps, embedder=embedder))
    reasons = await failed(harness)
    assert "the model's own error" in reasons["pages/05.md"]
    assert "NaN" in reasons["pages/more-0.md"]
    assert len(await paths(harness)) == PAGES - 1
    await embedder.close()

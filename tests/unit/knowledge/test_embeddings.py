"""Every embedder answers unit vectors of 1,536 dimensions, in order, or refuses."""

# ruff: noqa: RUF001 - signs of other scripts

import asyncio
import json
import math
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from common.errors import PermanentError, TakaroError
from knowledge.embeddings import DIMENSIONS, Embedder
from knowledge.embeddings.hashing import HashingEmbedder, hash_texts
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.embeddings.openai import OpenAiAccess, OpenAiEmbedder
from knowledge.embeddings.vectors import BadEmbeddings
from knowledge.web.retries import Retries

QUESTION = "How is a sync of a knowledge base queued?"
ANSWER = "Syncing a knowledge base adds a job to the queue."
UNRELATED = "Bananas are yellow and grow in warm countries."


@pytest.mark.parametrize("make", [HashingEmbedder, MiniLmEmbedder])
async def test_an_offline_embedder_puts_the_answer_nearest_to_its_question(
    make: Callable[[], Embedder],
) -> None:
    embedder = make()
    question, answer, unrelated = await embedder.embed([QUESTION, ANSWER, UNRELATED])
    again = await embedder.embed([QUESTION], urgent=True)
    await embedder.close()
    assert question.shape == (DIMENSIONS,)
    assert question.dtype == np.float32
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-5)
    assert question @ answer > question @ unrelated + 0.1
    assert again[0] == pytest.approx(question, abs=1e-6)


async def test_a_text_without_words_has_a_vector_too() -> None:
    [vector] = await HashingEmbedder().embed(["--- ***"])
    assert np.linalg.norm(vector) == pytest.approx(1)


@pytest.mark.parametrize(
    ("question", "answer", "unrelated"),
    [
        ("配置文件", "打开配置文件，把超时改成三十秒。", "香蕉是黄色的，生长在温暖的国家。"),
        ("如何修改配置文件？", "打开配置文件，把超时改成三十秒。", "香蕉是黄色的，生长在温暖的国家。"),
        ("設定ファイル", "設定ファイルを開き、待ち時間を変更します。", "バナナは黄色い果物です。"),
        ("ファイル", "設定ファイルを開き、待ち時間を変更します。", "バナナは黄色い果物です。"),
        ("설정 파일", "설정파일을 열고 시간 제한을 바꿉니다.", "바나나는 따뜻한 나라에서 자랍니다."),
        ("ไฟล์กำหนดค่า", "เปิดไฟล์กำหนดค่าแล้วเปลี่ยนเวลา", "กล้วยมีสีเหลืองและเติบโตในประเทศร้อน"),
        ("विन्यास", "विन्यास फ़ाइल खोलें और समय बदलें।", "केले पीले होते हैं और गर्म देशों में उगते हैं।"),
        ("ＴＩＭＥＯＵＴ", "Set the timeout to 30 s.", "Bananas are yellow."),
        ("cafe\u0301 menu", "The menu of the caf\u00e9.", "Bananas grow in warm countries."),
        ("café", "The menu of the CAFÉ.", "The caf is closed, e.g. today."),
    ],
)
def test_hashing_finds_words_in_any_script(question: str, answer: str, unrelated: str) -> None:
    asked, right, wrong = hash_texts([question, answer, unrelated])
    assert asked @ right > asked @ wrong + 0.1


async def test_the_local_model_does_not_block_the_event_loop() -> None:
    embedder = MiniLmEmbedder()
    embedding = asyncio.create_task(embedder.embed(["many words " * 100] * 12))
    longest, started = 0.0, time.monotonic()
    while not embedding.done():
        before = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - before)
    total = time.monotonic() - started
    await embedder.close()
    assert longest < max(0.25, total / 4)


Reply = Callable[[dict[str, Any]], httpx.Response]


def openai(reply: Reply, *, attempts: int = 2) -> OpenAiEmbedder:
    def handle(request: httpx.Request) -> httpx.Response:
        return reply(json.loads(request.content))

    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    access = OpenAiAccess("https://api.test/v1/", "big", "key", retries=Retries(attempts, 0.001, 1))
    return OpenAiEmbedder(http, access)


def vector(value: float) -> list[float]:
    return [value, 1.0, *([0.0] * (DIMENSIONS - 2))]


def body(items: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, content=json.dumps({"data": items}))


async def test_the_index_gives_the_order() -> None:
    asked: list[dict[str, Any]] = []

    def reply(request: dict[str, Any]) -> httpx.Response:
        asked.append(request)
        return body([{"index": 1, "embedding": vector(5)}, {"index": 0, "embedding": vector(0)}])

    vectors = await openai(reply).embed(["zero", "five"])
    assert asked == [{"model": "big", "input": ["zero", "five"], "dimensions": 1536}]
    assert vectors[0][0] == 0
    assert vectors[1][0] == pytest.approx(5 / math.sqrt(26))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([{"index": 0, "embedding": vector(1)}], "1 vectors for 2 texts"),
        ([{"index": 0, "embedding": vector(1)}, {"index": 0, "embedding": vector(1)}], "vectors for 2"),
        ([{"index": 0, "embedding": [1.0] * 384}, {"index": 1, "embedding": [1.0] * 384}], "384 dimensions"),
        ([{"index": 0, "embedding": vector(1)}, {"index": 1, "embedding": [1.0]}], "one length"),
        ([{"index": 0, "embedding": vector(1)}, {"index": 1, "embedding": vector(math.nan)}], "NaN"),
        ([{"index": 0, "embedding": vector(1)}, {"index": 1, "embedding": [0.0] * 1536}], "length zero"),
        ([{"index": 0, "embedding": vector(1)}, {"index": 1}], "another form"),
    ],
)
async def test_a_wrong_answer_is_refused(items: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(BadEmbeddings, match=reason):
        await openai(lambda _: body(items)).embed(["a", "b"])


async def test_overload_is_retried_and_a_refusal_is_not() -> None:
    answers = [
        httpx.Response(429, headers={"Retry-After": "0"}),
        body([{"index": 0, "embedding": vector(1)}]),
    ]
    assert len(await openai(lambda _: answers.pop(0)).embed(["a"])) == 1
    refusals = [httpx.Response(401, text="bad key")]
    with pytest.raises(PermanentError, match="HTTP 401"):
        await openai(lambda _: refusals.pop(0)).embed(["a"])


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
async def test_what_the_api_says_of_a_failure_is_in_the_log_and_not_in_the_reason(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may contain keys, accounts and addresses, and everyone who sees a base sees why its sync failed."""
    answer = httpx.Response(status, text="Incorrect API key sk-...4321 of org-acme")
    with pytest.raises(TakaroError) as raised:
        await openai(lambda _: answer).embed(["a"])
    assert f"HTTP {status}" in raised.value.reason
    for secret in ("4321", "acme", "api.test"):
        assert secret not in raised.value.reason
    assert "org-acme" in capsys.readouterr().out

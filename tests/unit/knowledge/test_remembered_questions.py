"""Questions are embedded once: within a bound of memory, and together."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from common.errors import TransientError
from knowledge.embeddings import Vectors
from knowledge.embeddings.hashing import HashingEmbedder
from knowledge.embeddings.questions import Questions
from tests.support.wait import eventually


class Watched(HashingEmbedder):
    """Keeps what each call was given; waits while ``gate`` isn't set."""

    batch_size = 4

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        assert urgent, "a person waits"
        self.calls.append(list(texts))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return await super().embed(texts, urgent=urgent, once=once)


async def test_what_was_asked_before_is_not_embedded_again() -> None:
    embedder = Watched()
    questions = Questions(embedder, 10**6)
    [first] = await questions.embed(["lever"])
    [again, other] = await questions.embed(["lever", "button"])
    assert embedder.calls == [["lever"], ["button"]]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert questions.remembers(["lever", "button"])
    assert not questions.remembers(["lever", "hatch"])


async def test_many_are_one_call_each_text_once_in_order() -> None:
    embedder = Watched()
    found = await Questions(embedder, 10**6).embed(["a", "b", "a", "c"])
    assert embedder.calls == [["a", "b", "c"]]
    assert np.array_equal(np.stack(found), await HashingEmbedder().embed(["a", "b", "a", "c"]))


async def test_no_call_has_more_texts_than_the_embedder_takes() -> None:
    embedder = Watched()
    texts = [f"question {n}" for n in range(10)]
    found = await Questions(embedder, 10**6).embed(texts)
    assert [len(call) for call in embedder.calls] == [4, 4, 2]
    assert np.array_equal(np.stack(found), await HashingEmbedder().embed(texts))


async def test_memory_stays_within_the_bound_and_the_newest_stay() -> None:
    embedder = Watched()
    questions = Questions(embedder, 50_000)
    for n in range(30):
        await questions.embed([f"question {n}", "the one that is always asked"])
        assert 0 < questions.bytes <= 50_000
    assert questions.remembers(["question 29", "the one that is always asked"])
    assert not questions.remembers(["question 0"])
    assert sum(call.count("the one that is always asked") for call in embedder.calls) == 1
    await questions.embed(["x" * 8_000 + str(n) for n in range(8)])
    assert questions.bytes <= 50_000


async def test_nothing_is_kept_in_no_memory() -> None:
    embedder = Watched()
    questions = Questions(embedder, 0)
    for _ in range(2):
        assert len(await questions.embed(["lever"])) == 1
    assert len(embedder.calls) == 2
    assert questions.bytes == 0


async def test_equal_questions_at_once_wait_for_one_call() -> None:
    embedder = Watched()
    embedder.gate.clear()
    questions = Questions(embedder, 10**6)
    asked = [asyncio.create_task(questions.embed(["lever", own])) for own in ("a", "b")]
    await eventually(lambda: len(embedder.calls) == 2)
    embedder.gate.set()
    first, second = await asyncio.gather(*asked)
    assert embedder.calls == [["lever", "a"], ["b"]]
    assert np.array_equal(first[0], second[0])


async def test_who_goes_away_takes_no_answer_from_others() -> None:
    embedder = Watched()
    embedder.gate.clear()
    questions = Questions(embedder, 10**6)
    leaving = asyncio.create_task(questions.embed(["lever"]))
    staying = asyncio.create_task(questions.embed(["lever"]))
    await eventually(lambda: embedder.calls)
    leaving.cancel()
    embedder.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert len(await staying) == 1


async def test_if_the_asker_goes_away_one_of_those_who_wait_asks_for_all() -> None:
    embedder = Watched()
    embedder.gate.clear()
    questions = Questions(embedder, 0)
    leaving = asyncio.create_task(questions.embed(["lever", "button"]))
    staying = [asyncio.create_task(questions.embed(["lever", "button"])) for _ in range(50)]
    await eventually(lambda: embedder.calls)
    leaving.cancel()
    await eventually(lambda: len(embedder.calls) > 1)
    staying[0].cancel()  # the next asker, too
    await eventually(lambda: len(embedder.calls) > 2)
    embedder.gate.set()
    found = await asyncio.gather(*staying[1:])
    assert embedder.calls == [["lever", "button"]] * 3
    expected = await HashingEmbedder().embed(["lever", "button"])
    assert all(np.array_equal(np.stack(vectors), expected) for vectors in found)


async def test_who_waits_can_go_away_together_with_the_asker() -> None:
    embedder = Watched()
    embedder.gate.clear()
    questions = Questions(embedder, 10**6)
    leaving = [asyncio.create_task(questions.embed(["lever"])) for _ in range(3)]
    await eventually(lambda: embedder.calls)
    for task in leaving:
        task.cancel()
    outcomes = await asyncio.gather(*leaving, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
    assert len(embedder.calls) == 1


async def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    embedder = Watched()
    embedder.gate.clear()
    embedder.failure = TransientError("away")
    questions = Questions(embedder, 10**6)
    asked = [asyncio.create_task(questions.embed(["lever"])) for _ in range(2)]
    await eventually(lambda: embedder.calls)
    embedder.gate.set()
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(outcome, TransientError)
    embedder.failure = None
    assert len(await questions.embed(["lever"])) == 1

"""Hybrid search: what is near and what has the words, as one list."""

import numpy as np
import pytest

from common.postgres import Pool
from knowledge.content.vectors.keeper import Limits, keep_indexes
from knowledge.search.hybrid import hybrid
from knowledge.search.hybrid_repository import RANKS_APART
from knowledge.search.matching import matching
from knowledge.search.nearest import nearest
from tests.integration.knowledge.test_matching import contents, pool, wanted
from tests.support.vectors import clustered, insert_base

__all__ = ["pool"]

ROWS = 400


@pytest.fixture
def vectors() -> np.ndarray:
    return clustered(np.random.default_rng(1), ROWS, centre=0)


def text(number: int) -> str:
    return f"chunk {number} has a lever" if number % 40 == 7 else f"chunk {number}"


async def test_what_is_best_by_both_comes_first(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "docs", vectors, content=text)
    found = await hybrid(pool, wanted("docs"), vectors[207], "the lever")
    assert contents(found)[0] == text(207)
    assert found.hits[0].score == pytest.approx(2 / (RANKS_APART + 1), rel=0.4)
    assert found.hits[0].cosine == pytest.approx(1, abs=1e-5)
    assert found.plan.kind == "hybrid"
    both = {*contents(await nearest(pool, wanted("docs"), vectors[207]))}
    both |= {*contents(await matching(pool, wanted("docs"), "the lever"))}
    assert {*contents(found)} <= both
    for hit in found.hits:
        number = int(hit.content.split()[1])
        assert hit.cosine == pytest.approx(float(vectors[number] @ vectors[207]), abs=1e-5)


@pytest.mark.parametrize("typed", ["", "the of", "unheard"])
async def test_without_a_word_that_is_there_it_is_the_search_by_vector(
    pool: Pool, vectors: np.ndarray, typed: str
) -> None:
    await insert_base(pool, "docs", vectors, content=text)
    found = await hybrid(pool, wanted("docs", limit=30), vectors[3], typed)
    near = await nearest(pool, wanted("docs", limit=30), vectors[3])
    assert len(found.hits) == 30  # in the order of half precision
    assert [hit.cosine for hit in found.hits] == pytest.approx([hit.score for hit in near.hits], abs=1e-3)


@pytest.mark.parametrize("indexed", [False, True])
async def test_a_least_cosine_and_a_filter_hold_for_what_has_the_words(
    pool: Pool, database: str, vectors: np.ndarray, indexed: bool
) -> None:
    await insert_base(pool, "docs", vectors, content=text, metadata=lambda n: {"even": n % 2 == 0})
    if indexed:
        while await keep_indexes(pool, database, Limits(100, 2**26), set()):
            pass
    cosines = vectors @ vectors[207]
    least = float(np.sort(cosines)[-20])
    found = await hybrid(pool, wanted("docs", limit=100, min_score=least - 1e-6), vectors[207], "lever")
    assert {*contents(found)} == {text(int(n)) for n in np.flatnonzero(cosines >= least)}
    odd = await hybrid(pool, wanted("docs", limit=100, filter="$.even == true"), vectors[207], "lever")
    assert len(odd.hits) == 100
    assert not any("lever" in content for content in contents(odd))


async def test_it_never_gives_less_than_is_wanted(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "few", vectors[:7], content=text)
    await insert_base(pool, "many", vectors, content=text)
    found = await hybrid(pool, wanted("few", limit=20), vectors[0], "lever")
    assert len(found.hits) == 7
    both = await hybrid(pool, wanted("few", "many", limit=100), vectors[0], "lever")
    assert len({hit.chunk for hit in both.hits}) == 100
    assert {hit.base_id for hit in both.hits} == {"few", "many"}


async def test_private_bases_and_those_of_other_models_are_left_out(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "other", vectors[:5], content=text, model="another")
    await insert_base(pool, "private", vectors[:5], content=text, owner="bob")
    await insert_base(pool, "own", vectors[:9], content=text, owner="ann")
    found = await hybrid(pool, wanted("other", "private", "own", limit=50), vectors[0], "chunk lever")
    assert {hit.base_id for hit in found.hits} == {"own"}
    assert len(found.hits) == 9
    assert len(found.targets) == 3


async def test_a_vector_of_zeros_is_no_error(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "docs", vectors[:20], content=text)
    found = await hybrid(pool, wanted("docs"), np.zeros(1536, dtype=np.float32), "lever")
    assert contents(found)[0] == text(7)
    assert found.hits[0].cosine == 0

"""Search by text: what people type finds the chunks that say it, whatever they type, and never too few."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from common.postgres import Pool, create_pool
from knowledge.search.matching import matching
from knowledge.search.records import Found, Wanted
from knowledge.settings import KnowledgeSettings
from tests.integration.knowledge.conftest import Harness
from tests.support.vectors import MODEL, clustered, insert_base

ENGLISH = (
    "Press the green button to begin. The machine starts when the lever is in place.",
    "Call asyncpg.create_pool() with the address of the database.",
    "Connections are closed by the pool when they were idle for an hour.",
    "createPool takes maxSize and returns a promise.",
    "Since version 3.12.1 the parser reads C++ headers, too.",
    "The settings are in docs/getting-started/settings.toml for every machine.",
)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    settings = KnowledgeSettings(database_url=database, auth_mode="dev")
    async with await create_pool(settings) as pool:
        await pool.execute("DROP INDEX knowledge_embeddings_embedding_idx")  # inserting takes seconds with it
        yield pool


def wanted(*bases: str, limit: int = 10, **more: Any) -> Wanted:
    asked: dict[str, Any] = {"user_id": "ann", "version": None, "min_score": None, "filter": None}
    return Wanted(base_ids=bases, limit=limit, model=MODEL, **(asked | more))


def contents(found: Found) -> list[str]:
    return [hit.content for hit in found.hits]


async def write(pool: Pool, base_id: str, texts: Sequence[str], **more: Any) -> None:
    vectors = clustered(np.random.default_rng(1), len(texts), centre=0)
    await insert_base(pool, base_id, vectors, content=texts.__getitem__, **more)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("where is the green button?", 0),
        ("how to start machines with levers", 0),
        ("create_pool", 1),
        ("asyncpg create pool", 1),
        ("what happens to an idle connection", 2),
        ("createPool maxSize", 3),
        ("max size", 3),
        ("changes in 3.12.1", 4),
        ("c++", 4),
        ("getting-started/settings.toml", 5),
        ("Getting Started", 5),
    ],
)
async def test_the_chunk_that_says_it_comes_first(pool: Pool, typed: str, first: int) -> None:
    await write(pool, "docs", ENGLISH)
    found = await matching(pool, wanted("docs"), typed)
    assert contents(found)[0] == ENGLISH[first]
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    assert {hit.cosine for hit in found.hits} == {None}
    assert found.plan.kind == "text"


@pytest.mark.parametrize(
    ("texts", "typed"),
    [
        (("Der Hebel ist an der Tür.", "Die Häuser sind nicht weit von der Straße."), "ein haus"),
        (("Рычаг не виден, и он на двери.", "Машины не работают без кнопок."), "кнопка машины"),
        (("Le levier est à côté de la porte.", "Les boutons sont dans la machine."), "quel bouton"),
        (("الرافعة بجانب الباب", "الأزرار في الآلات"), "زر الأزرار"),
        (("操作杆在门旁边。", "数据库连接池的配置说明。"), "如何配置连接池"),
        (("レバーはドアの横にあります。", "データベースの検索機能について。"), "全文検索"),
        (("레버는 문 옆에 있다.", "데이터베이스를 검색하는 방법."), "데이터베이스 검색"),
        (("คันโยกอยู่ข้างประตู", "การค้นหาในฐานข้อมูล"), "ค้นหา"),
    ],
)
async def test_it_knows_the_language_of_the_base(pool: Pool, texts: Sequence[str], typed: str) -> None:
    await write(pool, "pages", texts)
    assert contents(await matching(pool, wanted("pages"), typed))[0] == texts[-1]


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "?!…", "'", '"', "\\", "&", "|", "!", "(", ":*", "<->", "<b>", "%", "_", "::", "{}"),
        "the of and to a",
        "' OR 1=1; DROP TABLE knowledge_words; --",
        "lever & !button | (machine <-> lever):*",
        '-lever "green button" OR',
        "x" * 8_000,
        "日" * 8_000,
        " ".join(f"w{n}" for n in range(1_500)),
        "\u0301\u200d\ufeff\U0001f600",
        "<script>alert(1)</script>",
        "\ufdfa" * 8_000,
    ],
)
async def test_whatever_is_typed_is_words_or_nothing(pool: Pool, typed: str) -> None:
    await write(pool, "docs", ENGLISH)
    found = await matching(pool, wanted("docs"), typed)
    assert len(found.hits) <= len(ENGLISH)
    assert [target.base_id for target in found.targets] == ["docs"]
    assert ("lever" in typed) == (ENGLISH[0] in contents(found))


async def test_title_headings_and_path_count(pool: Pool) -> None:
    texts = ["It goes up.", "It goes down.", "It goes round.", "It stays. A pulley, some levers, some ropes."]
    about: list[dict[str, Any]] = [
        {"title": "Pulleys"},
        {"headings": ["Machines", "Levers"]},
        {"sourceFile": "docs/ropes.md"},
        {},
    ]
    await write(pool, "docs", texts, metadata=about.__getitem__)
    for typed, first in (("pulley", 0), ("lever", 1)):
        assert contents(await matching(pool, wanted("docs"), typed)) == [texts[first], texts[3]]
    assert {*contents(await matching(pool, wanted("docs"), "rope"))} == {texts[2], texts[3]}


async def test_rare_words_count_more_than_frequent_ones(pool: Pool) -> None:
    texts = [f"The lever number {n} of the machine" for n in range(60)]
    await write(pool, "docs", [*texts, "A rope"])
    found = await matching(pool, wanted("docs", limit=3), "lever machine rope")
    assert contents(found)[0] == "A rope"


@pytest.mark.large
async def test_there_are_never_too_few_and_the_best_are_first(pool: Pool) -> None:
    """More chunks have each word than are scored. Those with both are found first, and others fill up."""
    texts = [f"lever {n}" if n % 2 else f"button {n}" for n in range(5_000)]
    texts[2_345:2_348] = ["lever and button"] * 3
    await write(pool, "docs", texts, metadata=lambda n: {"sourceFile": f"{n}.md", "rare": n % 500 == 0})
    found = await matching(pool, wanted("docs", limit=100), "lever button")
    assert contents(found)[:3] == ["lever and button"] * 3
    assert len({hit.chunk for hit in found.hits}) == 100
    assert len((await matching(pool, wanted("docs", limit=100), "button 7")).hits) == 100
    few = await matching(pool, wanted("docs", limit=100, filter="$.rare == true"), "lever button")
    assert len(few.hits) == 10


async def test_what_passes_a_filter_is_found(pool: Pool) -> None:
    texts = [f"The lever number {n}" for n in range(300)]
    await write(pool, "docs", texts, metadata=lambda n: {"passes": n % 50 == 0})
    found = await matching(pool, wanted("docs", filter="$.passes == true"), "lever")
    assert sorted(contents(found)) == sorted(texts[::50])


async def test_several_bases_are_one_list_without_what_is_private(pool: Pool) -> None:
    await write(pool, "english", ENGLISH)
    await write(pool, "german", ["Der Knopf der Maschine ist nicht grün.", "Die Maschinen sind an der Tür."])
    await write(pool, "private", ["The machine of somebody else"], owner="bob")
    found = await matching(pool, wanted("english", "german", "private", "none"), "machine maschine")
    assert {hit.base_id for hit in found.hits} == {"english", "german"}
    assert len(found.hits) == 4
    assert {target.base_id: target.visible for target in found.targets} == {
        "english": True,
        "german": True,
        "private": False,
    }
    own = await matching(pool, wanted("private", user_id="bob"), "machine")
    assert len(own.hits) == 1


async def test_a_base_of_another_model_and_rows_of_the_node_application_are_found(pool: Pool) -> None:
    await write(pool, "other", ENGLISH, model="another")
    assert (await matching(pool, wanted("other"), "green button")).hits
    await pool.execute(
        'insert into "knowledge_embeddings" ("knowledge_base_id", "version", "content", "embedding", '
        '"metadata") values ($1, $2, $3, $4::text::vector, $5::text::jsonb)',
        *("other", "latest", "Ladders", json.dumps([0.5] * 1536), '{"sourceFile": "ladders.md"}'),
    )
    assert contents(await matching(pool, wanted("other"), "a ladder")) == ["Ladders"]


async def test_a_sync_that_is_rolled_back_is_never_found(pool: Pool) -> None:
    await write(pool, "docs", ENGLISH)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE knowledge_embeddings SET content = 'Ladders'")
        assert not (await matching(pool, wanted("docs"), "ladder")).hits
        assert (await matching(pool, wanted("docs"), "green button")).hits
        await transaction.rollback()
    assert not (await matching(pool, wanted("docs"), "ladder")).hits
    assert (await matching(pool, wanted("docs"), "green button")).hits


async def test_what_a_sync_wrote_is_found_and_only_that(harness: Harness) -> None:
    await harness.sync()
    found = await matching(harness.pool, wanted("handbook"), "which green buttons?")
    assert [hit.metadata["sourceFile"] for hit in found.hits] == ["docs/start.md"]
    harness.repository.write("docs/start.md", "# Start\n\nPull the red handle.")
    harness.repository.commit()
    await harness.sync()
    assert not (await matching(harness.pool, wanted("handbook"), "green button")).hits
    assert (await matching(harness.pool, wanted("handbook"), "red handles")).hits

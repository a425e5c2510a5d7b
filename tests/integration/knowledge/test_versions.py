"""Versions of a base: side by side if one model made them, searched and deleted by name. At no moment does a
search find nothing, half of one, or two models."""

from dataclasses import replace

import pytest

from common.errors import Conflict, Forbidden, NotFound
from knowledge.content.lease import BaseBusy, hold_base
from knowledge.registry.use_cases import change_base, create_base, delete_version
from knowledge.sync.use_cases import FilesUnreadable
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.github import Answer
from tests.support.searching import search

FOREIGN = """
INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding)
SELECT $1, '0.9', 'by another program', embedding FROM knowledge_embeddings LIMIT 1
"""


async def versions_in_place(harness: Harness) -> dict[str, int]:
    """Rows of each version, as the database document counts them."""
    rows = await harness.pool.fetch(
        "SELECT version, count(*) FROM knowledge_embeddings WHERE knowledge_base_id = 'handbook' GROUP BY 1"
    )
    return {row["version"]: row["count"] for row in rows}


async def find(
    harness: Harness,
    question: str = "press the green button",
    *,
    version: str | None = None,
    user_id: str = "",
) -> list[str]:
    hits = await search(
        harness.pool, harness.embedder, "handbook", question, 50, version=version, user_id=user_id
    )
    return [hit.content for hit in hits]


async def test_a_version_of_another_model_takes_those_of_the_old_one_away(harness: Harness) -> None:
    """A reader that requests no version, like the Node application's search, sees one model at any moment."""
    await harness.sync()
    await harness.pool.execute(FOREIGN, "handbook")
    other = CountingEmbedder("another")
    result = await harness.sync(harness.base(version="2"), deps=harness.with_embedder(other))
    assert result.versions_removed == ("latest", "0.9")
    assert (result.chunks_created, result.chunks_removed) == (4, 5)
    assert await versions_in_place(harness) == {"2": 4}
    for table in ("indexes", "files"):
        query = f"SELECT DISTINCT version FROM knowledge_{table}"
        assert [row[0] for row in await harness.pool.fetch(query)] == ["2"]
    told = (await harness.facts())[-1]["data"]
    assert (told["versionsRemoved"], told["chunksRemoved"]) == (["latest", "0.9"], 5)
    record = await harness.pool.fetchval(
        "SELECT result FROM knowledge_syncs ORDER BY created_at DESC LIMIT 1"
    )
    assert record["versionsRemoved"] == ["latest", "0.9"]
    # The paid embeddings aren't lost: the old version comes back at no cost, and this one is deleted.
    harness.embedder.texts = 0
    assert (await harness.sync()).versions_removed == ("2",)
    assert harness.embedder.texts == 0
    assert await versions_in_place(harness) == {"latest": 4}


async def test_a_version_of_another_model_goes_also_when_nothing_else_has_changed(harness: Harness) -> None:
    await harness.sync()
    await harness.pool.execute(FOREIGN, "handbook")
    result = await harness.sync()
    assert (result.type, result.versions_removed, result.chunks_created) == ("incremental", ("0.9",), 0)
    assert (await harness.sync()).type == "skipped"


@pytest.mark.parametrize("model", ["another", ""])
async def test_half_of_a_new_version_never_takes_the_place_of_a_whole_one(
    harness: Harness, model: str
) -> None:
    await harness.sync()
    before = await find(harness)
    deps = harness.with_embedder(CountingEmbedder(model or None))
    for failing in ("start.md", "/raw/"):
        harness.github.fault = lambda target, part=failing: Answer(500, b"") if part in target else None
        with pytest.raises(FilesUnreadable):
            await harness.sync(harness.base(version="2"), deps=deps)
        assert await versions_in_place(harness) == {"latest": 4}
        assert await find(harness) == before


async def test_the_old_version_is_found_until_the_new_one_is_there(harness: Harness) -> None:
    base = replace(harness.base(), origin="api", owner="ada")
    await create_base(harness.pool, base, [])
    await harness.sync(base)
    old = await find(harness)
    base = await change_base(harness.pool, "handbook", "ada", lambda known: replace(known, version="2.0"), [])
    assert await find(harness) == old, "its first sync is still to come"
    assert await find(harness, version="2.0") == []
    harness.repository.write("docs/start.md", "A second edition about pulleys.")
    harness.repository.commit()
    await harness.sync(base)
    new = await find(harness)
    assert new != old
    assert await find(harness, version="2.0") == new
    assert await find(harness, version="latest") == old
    with pytest.raises(NotFound, match=r"no version '3\.0'"):
        await find(harness, version="3.0")
    # A version that is empty is what it is.
    for path in ("docs/start.md", "docs/deep/levers.md"):
        harness.repository.remove(path)
    harness.repository.write("docs/picture.png", b"\x00")
    harness.repository.commit()
    await harness.sync(base)
    assert await find(harness) == []


async def test_a_version_is_dropped_by_its_owner_alone_and_never_the_one_in_use(harness: Harness) -> None:
    base = replace(harness.base(), origin="api", owner="ada")
    await create_base(harness.pool, base, [])
    await harness.sync(base)
    base = await change_base(harness.pool, "handbook", "ada", lambda known: replace(known, version="2"), [])

    async def drop(version: str, user: str = "ada", base_id: str = "handbook") -> None:
        await delete_version(harness.pool, base_id, version, user, 3)

    for version in ("2", "latest"):
        with pytest.raises(Conflict, match="searches find"):
            await drop(version)
    await harness.sync(base)
    with pytest.raises(Forbidden):
        await drop("latest", user="bob")
    with pytest.raises(NotFound):
        await drop("latest", base_id="none")
    with pytest.raises(NotFound, match="no version"):
        await drop("1")
    async with hold_base(harness.pool, "handbook", "a sync", 3):
        with pytest.raises(BaseBusy):
            await drop("latest")
    assert (await versions_in_place(harness)).keys() == {"latest", "2"}
    await drop("latest")
    assert (await versions_in_place(harness)).keys() == {"2"}
    told = (await harness.facts())[-1]["data"]
    assert (told["removedVersion"], told["version"]) == ("latest", "2")
    assert (await harness.sync(base)).type == "skipped"
    leases = await harness.pool.fetch("SELECT name FROM leases WHERE name LIKE 'knowledge.sync:%'")
    assert [row["name"] for row in leases] == ["knowledge.sync:handbook"], "none for a base that isn't there"

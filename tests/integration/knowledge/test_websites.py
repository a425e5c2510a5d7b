"""Bases over a website: full syncs, changes under one lastmod, and one file for each address."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from knowledge.bases.records import KnowledgeBase
from knowledge.sync.use_cases import FilesUnreadable
from knowledge.sync.work import SyncDeps
from tests.integration.knowledge.conftest import Harness, reaching
from tests.support.github import Answer
from tests.support.web import serve
from tests.support.website import Site


@pytest.fixture
async def site(harness: Harness) -> AsyncIterator[Site]:
    site = Site({"/levers": "Pull the red lever.", "/buttons": "Press it."})
    async with serve(site.handle) as server:
        site.server = server
        yield site


@pytest.fixture
async def deps(harness: Harness) -> AsyncIterator[SyncDeps]:
    deps = reaching(harness, "127.0.0.1")
    yield deps
    await deps.sources.fetcher.close()


def base_over(harness: Harness, site: Site, base_id: str = "site", **more: Any) -> KnowledgeBase:
    return harness.base(base_id, source=f"sitemap+{site.server.url}/sitemap.xml", **more)


@pytest.mark.parametrize("tagged", [True, False])
async def test_each_full_sync_reads_the_page_as_it_is(
    harness: Harness, deps: SyncDeps, site: Site, tagged: bool
) -> None:
    base = base_over(harness, site)
    site.tagged, site.lastmod = tagged, dict.fromkeys(site.pages, datetime.now(UTC).date().isoformat())
    await harness.sync(base, deps=deps)
    for text in ("Pull the blue lever.", "Pull the green lever.", "Pull none."):
        site.pages["/levers"] = text
        assert (await harness.sync(base, mode="full", deps=deps)).modified == 1
        assert await harness.text_of("levers", "site") == [f"# t\n\n{text}"]
    assert (await harness.sync(base, deps=deps)).type == "skipped"


@pytest.mark.parametrize("lastmod", ["", "today", "2026-01-01"])
async def test_new_chunk_sizes_and_lost_rows_read_the_page_as_it_is(
    harness: Harness, deps: SyncDeps, site: Site, lastmod: str
) -> None:
    today = datetime.now(UTC).date().isoformat()
    site.lastmod = dict.fromkeys(site.pages, today if lastmod == "today" else lastmod)
    await harness.sync(base_over(harness, site), deps=deps)
    site.pages["/levers"] = "Pull the blue lever."
    changed = replace(base_over(harness, site), chunk_size=500, chunk_overlap=50)
    assert (await harness.sync(changed, deps=deps)).type == "full"
    assert await harness.text_of("levers", "site") == ["# t\n\nPull the blue lever."]
    site.pages["/levers"] = "Pull the green lever."
    await harness.pool.execute("DELETE FROM knowledge_embeddings WHERE metadata->>'sourceFile' = 'levers'")
    await harness.sync(changed, deps=deps)
    assert await harness.text_of("levers", "site") == ["# t\n\nPull the green lever."]


async def test_a_second_base_over_the_site_reads_it_as_it_is(
    harness: Harness, deps: SyncDeps, site: Site
) -> None:
    site.lastmod = dict.fromkeys(site.pages, "2026-01-01")
    await harness.sync(base_over(harness, site), deps=deps)
    site.pages["/levers"] = "Pull the blue lever."
    await harness.sync(base_over(harness, site, "other"), deps=deps)
    assert await harness.text_of("levers", "other") == ["# t\n\nPull the blue lever."]


async def test_a_second_change_on_the_day_of_its_lastmod_is_synced(
    harness: Harness, deps: SyncDeps, site: Site
) -> None:
    base = base_over(harness, site)
    site.lastmod = dict.fromkeys(site.pages, datetime.now(UTC).date().isoformat())
    await harness.sync(base, deps=deps)
    for text in ("Pull the blue lever.", "Pull the green lever."):
        site.pages["/levers"] = text
        assert (await harness.sync(base, deps=deps)).modified == 1
        assert await harness.text_of("levers", "site") == [f"# t\n\n{text}"]


async def test_each_address_is_a_file_at_every_sync(harness: Harness, deps: SyncDeps, site: Site) -> None:
    base = base_over(harness, site)
    names = {
        "/a/caf%E9": "a/caf%E9",
        "/a/caf%E8": "a/caf%E8",
        "/b%2Fc": "b%2Fc",
        "/b/c": "b/c",
        "/d": "d",
        "/d/": "d/",
    }
    site.pages = {path: f"This is {path}." for path in names}
    assert (await harness.sync(base, deps=deps)).added == 6
    for path, name in names.items():
        assert await harness.text_of(name, "site") == [f"# t\n\nThis is {path}."]
    assert (await harness.sync(base, deps=deps)).type == "skipped"
    site.pages = dict(reversed(site.pages.items()))
    assert (await harness.sync(base, deps=deps)).type == "skipped"
    again = await harness.sync(base, mode="full", deps=deps)
    assert (again.added, again.modified, again.removed, again.chunks_created) == (0, 0, 0, 0)


async def test_a_path_of_an_earlier_release_is_renamed_and_never_lost(
    harness: Harness, deps: SyncDeps, site: Site
) -> None:
    base = base_over(harness, site)
    site.pages = {"/b/c": "Pull the red lever.", "/x": "Press it."}
    await harness.sync(base, deps=deps)
    del site.pages["/b/c"]  # it always was this one, under the same path
    site.pages["/b%2Fc"] = Answer(503, b"busy")
    with pytest.raises(FilesUnreadable, match="503"):
        await harness.sync(base, deps=deps)
    assert await harness.text_of("b/c", "site") == ["# t\n\nPull the red lever."]
    site.pages["/b%2Fc"] = "Pull the red lever."
    renamed = await harness.sync(base, deps=deps)
    assert (renamed.added, renamed.removed) == (1, 1)
    assert await harness.text_of("b%2Fc", "site") == ["# t\n\nPull the red lever."]
    assert await harness.text_of("b/c", "site") == []

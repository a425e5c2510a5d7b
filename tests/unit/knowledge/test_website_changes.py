"""What a sync asks for again, and that what it reads is what it listed."""

from datetime import UTC, datetime, timedelta

import pytest

from knowledge.sources import FileRefused, Known
from knowledge.sources.website.lastmod import is_settled
from knowledge.sources.website.pages import PageMemory
from tests.support.github import Answer
from tests.support.website import Site, opened, texts

TODAY = "%Y-%m-%d"
OLD = "2026-01-01"


def written(form: str, later: timedelta = timedelta()) -> str:
    """The present, or a ``later`` moment, as a sitemap may write it."""
    return (datetime.now(UTC) + later).strftime(form)


async def sync(
    site: Site, memory: PageMemory, before: Known, *, fresh: bool = False
) -> tuple[Known, list[str]]:
    """Look at the pages as a sync of a base that has ``before``, and read those that it lacks. Returns what
    the base has then, and the pages that were requested."""
    site.asked()
    known = Known(before.paths, {} if fresh else before.contents, fresh=fresh)
    async with opened(site, memory=memory, known=known) as source:
        commit = await source.newest_commit()
        files = await source.list_files(commit)
        for file in files:
            if known.contents.get(file.path) != file.content_sha:
                await source.read(file, commit)
    contents = {file.path: file.content_sha for file in files}
    return Known(frozenset(contents), contents), site.asked()


async def test_pages_with_the_same_lastmod_are_not_asked_for_again(site: Site) -> None:
    memory = PageMemory()
    site.lastmod = dict.fromkeys(site.pages, OLD)
    first, asked = await sync(site, memory, Known())
    assert len(asked) == 3
    assert await sync(site, memory, first) == (first, [])
    site.lastmod["/"], site.pages["/"] = "2026-01-02", "home again"
    second, asked = await sync(site, memory, first)
    assert (second.contents["index"] != first.contents["index"], asked) == (True, ["/"])


@pytest.mark.parametrize(
    ("form", "hours"),
    [
        (TODAY, 0),
        ("%Y-%m", 0),
        ("%Y", 0),
        ("%Y-%m-%dT%H:%M:%SZ", 0),
        ("%Y-%m-%dT%H:%M+09:00", 9),
        ("%Y-%m-%d", 9600),
        ("%Y-%m-%dT%H:%M:%S.%fZ", 2),
        ("last week", 0),
        ("28.11.2026", 0),
        ("9999-12-31", 0),
        ("", 0),
    ],
)
async def test_a_second_change_under_the_same_lastmod_is_seen(site: Site, form: str, hours: int) -> None:
    lastmod = written(form, timedelta(hours=hours))
    memory = PageMemory()
    site.lastmod = {"/": lastmod}
    known, _ = await sync(site, memory, Known())
    for text in ("home again", "and once more"):
        site.pages["/"] = text
        after, _ = await sync(site, memory, known)
        assert after.contents["index"] != known.contents["index"], text
        known = after


@pytest.mark.parametrize("lastmod", [TODAY, OLD])
@pytest.mark.parametrize("tagged", [True, False])
async def test_a_full_sync_reads_what_is_there_now(site: Site, lastmod: str, tagged: bool) -> None:
    memory = PageMemory()
    site.tagged, site.lastmod = tagged, dict.fromkeys(site.pages, written(lastmod))
    known, _ = await sync(site, memory, Known())
    for text in ("home again", "and once more"):
        site.pages["/"] = text
        after, asked = await sync(site, memory, known, fresh=True)
        assert (after.contents["index"] != known.contents["index"], len(asked)) == (True, 3)
        known = after
    assert await sync(site, memory, known) in ((known, []), (known, sorted(site.pages)))


async def test_a_full_sync_believes_no_etag_and_no_cache(site: Site) -> None:
    memory = PageMemory()
    site.tagged, site.lying_tag = True, '"always the same"'
    known, _ = await sync(site, memory, Known())
    site.pages["/"] = "home again"
    assert (await sync(site, memory, known))[0] == known, "as the server says"
    site.server.requests.clear()
    async with opened(site, memory=memory, known=Known(known.paths, fresh=True)) as source:
        assert (await texts(source))["index"] == "# t\n\nhome again"
    pages = [request for request in site.server.requests if request.path in site.pages]
    assert [request.headers.get("cache-control") for request in pages] == ["no-cache"] * 3
    assert not any("if-none-match" in request.headers for request in pages)


@pytest.mark.parametrize("lastmod", [TODAY, OLD])
async def test_a_base_that_lacks_a_page_reads_it_as_it_is_now(site: Site, lastmod: str) -> None:
    """Another base over the same site, or one whose rows are to be made anew."""
    memory = PageMemory()
    site.tagged, site.lastmod = True, dict.fromkeys(site.pages, written(lastmod))
    await sync(site, memory, Known())
    site.pages["/"] = "home again"
    async with opened(site, memory=memory) as source:
        assert (await texts(source))["index"] == "# t\n\nhome again"


async def test_pages_with_an_etag_are_asked_for_conditionally(site: Site) -> None:
    site.tagged, memory = True, PageMemory()
    known, _ = await sync(site, memory, Known())
    site.pages["/"] = "home again"
    async with opened(site, memory=memory, known=known) as source:
        await source.newest_commit()
    conditional = [request for request in site.server.requests if "if-none-match" in request.headers]
    assert len(conditional) == 3


async def test_what_was_refused_is_not_read_again_until_it_changes(site: Site) -> None:
    memory = PageMemory()
    site.pages = {"/": "home", "/data": Answer(200, b"<a" * 200_000, {"Content-Type": "text/html"})}

    async def read(*, fresh: bool = False) -> tuple[int, str]:
        """How many answers the readers read for one sync, and why the page is refused."""
        before = sum(process.files for process in site.readers._processes)
        async with opened(site, memory=memory, known=Known(fresh=fresh), max_file_bytes=10**6) as source:
            commit = await source.newest_commit()
            [data] = [file for file in await source.list_files(commit) if file.path == "data"]
            with pytest.raises(FileRefused) as refused:
                await source.read(data, commit)
        return sum(process.files for process in site.readers._processes) - before, str(refused.value)

    sitemap_and_home = 2
    reason = "the page is nested too deeply"
    assert await read() == (sitemap_and_home + 1, reason)
    assert await read() == (sitemap_and_home, reason)
    assert await read(fresh=True) == (sitemap_and_home + 1, reason)
    site.pages["/data"] = Answer(200, b"<b" * 200_000, {"Content-Type": "text/html"})
    assert await read() == (sitemap_and_home + 1, reason)


@pytest.mark.parametrize(
    ("lastmod", "settled"),
    [
        ("2026-11-28", "2026-11-29T13:00:00Z"),
        ("2026-11", "2026-12-01T13:00:00Z"),
        ("2026", "2027-01-01T13:00:00Z"),
        ("2026-12", "2027-01-01T13:00:00Z"),
        ("2026-11-28T10:00:00Z", "2026-11-28T11:00:00Z"),
        ("2026-11-28T10:00:00+05:30", "2026-11-28T05:30:00Z"),
        ("2026-11-28T10:00-08:00", "2026-11-28T19:00:00Z"),
        ("2026-11-28T10:00:00.25Z", "2026-11-28T11:00:00.25Z"),
        ("2026-11-28T10:00:00", "2026-11-28T23:00:00Z"),
        ("2026-11-28 10:00:00", "2026-11-28T23:00:00Z"),
    ],
)
def test_a_lastmod_counts_once_no_other_change_can_bear_it(lastmod: str, settled: str) -> None:
    moment = datetime.fromisoformat(settled).timestamp()
    assert is_settled(lastmod, moment, moment)
    assert is_settled(lastmod, moment, moment + 23 * 3600)
    assert not is_settled(lastmod, moment - 1, moment + 3600), "read while the day went on"
    assert not is_settled(lastmod, moment, moment + 24 * 3600), "some sites never change it"


@pytest.mark.parametrize(
    "lastmod", ["", "soon", "2026-13", "2026-00", "2026-13-01", "2026-11-31", "2026-11-28T25:00Z", "20"]
)
def test_what_is_no_date_says_nothing(lastmod: str) -> None:
    assert not is_settled(lastmod, 4e9, 4e9)

"""A website by its sitemap, served over real HTTP."""

import asyncio

import pytest

from common.errors import PermanentError
from knowledge.documents import FileUnreadable
from knowledge.sources import FileRefused
from knowledge.sources.selection import git_blob_sha
from knowledge.web.guarded_network import AddressRefused
from tests.support.github import Answer
from tests.support.pdf import make_pdf, without_second_page
from tests.support.website import Site, opened, texts


async def test_pages_of_a_sitemap_are_read_as_text(site: Site) -> None:
    async with opened(site) as source:
        assert await texts(source) == {
            "index": "# t\n\nhome",
            "guide/start": "# t\n\nstart here",
            "guide/levers": "# t\n\npull",
        }
        commit = await source.newest_commit()
        assert len(commit) == 40
        [file] = [file for file in await source.list_files(commit) if file.path == "index"]
        assert file.name.endswith(".txt"), "the text is not to be read as HTML again"


async def test_the_commit_changes_with_the_text_and_with_nothing_else(site: Site) -> None:
    commits = []
    for page in ("home", "<!-- token 123 --><script>x</script>home", "home, rebuilt"):
        site.pages["/"] = page
        async with opened(site) as source:
            commits.append(await source.newest_commit())
    assert commits[0] == commits[1] != commits[2]


async def test_a_page_that_fails_fails_alone(site: Site) -> None:
    site.pages["/guide/start"] = Answer(500, b"oops")
    site.pages["/gone"] = Answer(410, b"")
    site.pages["/image"] = Answer(200, b"\x89PNG", {"Content-Type": "image/png"})
    site.pages["/huge"] = Answer(200, b"x" * 20_000, {"Content-Type": "text/html"})
    async with opened(site) as source:
        commit = await source.newest_commit()
        files = {file.path: file for file in await source.list_files(commit)}
        assert await source.read(files["index"], commit) == b"# t\n\nhome"
        with pytest.raises(FileUnreadable, match="HTTP 500"):
            await source.read(files["guide/start"], commit)
        for path, reason in (("gone", "HTTP 410"), ("image", "image/png"), ("huge", "larger than")):
            with pytest.raises(FileRefused, match=reason):
                await source.read(files[path], commit)
    site.pages["/guide/start"] = "start here"
    async with opened(site) as source:
        assert await source.newest_commit() != commit, "it is seen when it is back"


async def test_other_kinds_of_pages_are_read_by_their_type(site: Site) -> None:
    site.pages = {
        "/manual": Answer(200, make_pdf(["Pull the lever."]), {"Content-Type": "application/pdf"}),
        "/notes": Answer(200, b"---\ntitle: Notes\n---\nPull.", {"Content-Type": "text/markdown"}),
        "/plain?page=2": Answer(200, "Grüße".encode(), {"Content-Type": "text/plain; charset=utf-8"}),
    }
    async with opened(site) as source:
        found = await texts(source)
    assert "Pull the lever." in found["manual"]
    assert found["notes"] == "# Notes\n\nPull."
    assert found["plain?page=2"] == "Grüße"


async def test_pages_that_can_be_read_in_part_are_told(site: Site) -> None:
    damaged = without_second_page(make_pdf(["Pull.", "Wait.", "Let go."]))
    site.pages = {"/manual": Answer(200, damaged, {"Content-Type": "application/pdf"})}
    async with opened(site) as source:
        assert await texts(source) == {"manual": "Pull.\n\nLet go."}
        [notice] = (await source.findings()).notices
        assert notice.endswith("/manual: page 2: damaged and left out")


async def test_too_much_is_refused_rather_than_cut_off(site: Site) -> None:
    async with opened(site, max_pages=2) as source:
        with pytest.raises(PermanentError, match="SITEMAP_MAX_PAGES"):
            await source.newest_commit()
    async with opened(site, max_bytes=20) as source:
        with pytest.raises(PermanentError, match="SOURCE_MAX_BYTES"):
            await source.newest_commit()


async def test_private_sites_and_redirects_to_them_are_refused(site: Site) -> None:
    async with opened(site, allowed="docs.example") as source:
        with pytest.raises(AddressRefused):
            await source.newest_commit()
    assert site.server.requests == []
    site.pages["/guide/start"] = Answer(302, b"", {"Location": "http://169.254.169.254/latest/meta-data/"})
    async with opened(site) as source:
        commit = await source.newest_commit()
        files = {file.path: file for file in await source.list_files(commit)}
        with pytest.raises(FileUnreadable, match="isn't a public address"):
            await source.read(files["guide/start"], commit)


async def test_pages_of_one_text_are_read_side_by_side(site: Site) -> None:
    site.pages = dict.fromkeys([f"/page/{number}" for number in range(8)], "moved " * 1500)
    for _ in range(6):
        async with opened(site) as source:
            commit = await source.newest_commit()
            files = await source.list_files(commit)
            contents = await asyncio.gather(*(source.read(file, commit) for file in files))
        assert {git_blob_sha(content) for content in contents} == {files[0].content_sha}

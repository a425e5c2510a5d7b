"""Pages have readable paths, one for each address, and what is left out is told."""

import pytest

from knowledge.sources import FileRefused, Known
from knowledge.sources.selection import Selection
from knowledge.sources.website.names import address_of, name_before, name_pages
from knowledge.sources.website.sitemap_xml import Entry
from tests.support.github import Answer
from tests.support.website import Site, opened, texts

SIX = ("/a/caf%E9", "/a/caf%E8", "/b%2Fc", "/b/c", "/d", "/d/")


def names(*paths: str) -> dict[str, str]:
    """The names of pages at these paths, or whole addresses, and the page of each."""
    urls = [path if "://" in path else f"https://a.example{path}" for path in paths]
    entries = name_pages([(address_of(url), Entry(url)) for url in urls])
    return {name: entry.url.removeprefix("https://a.example") for name, entry in entries.items()}


async def test_each_address_of_a_sitemap_is_a_file(site: Site) -> None:
    site.pages = {path: f"page {path}" for path in SIX}
    async with opened(site) as source:
        found = await texts(source)
    assert found == {
        "a/caf%E9": "# t\n\npage /a/caf%E9",
        "a/caf%E8": "# t\n\npage /a/caf%E8",
        "b%2Fc": "# t\n\npage /b%2Fc",
        "b/c": "# t\n\npage /b/c",
        "d": "# t\n\npage /d",
        "d/": "# t\n\npage /d/",
    }


def test_names_do_not_depend_on_the_order_of_the_sitemap() -> None:
    paths = (
        *SIX,
        "/",
        "/index",
        "/index/",
        "//d",
        "/a?b",
        "/a%3Fb",
        "/e%23f",
        "/x%00y",
        "http://a.example/d",
    )
    found = names(*paths)
    assert found == names(*reversed(paths))
    assert sorted(found.values()) == sorted(paths)
    assert (found["index"], found["/"], found["index/"]) == ("/index", "/", "/index/")
    assert (found["a?b"], found["a%3Fb"], found["e%23f"], found["x%00y"]) == (
        "/a?b",
        "/a%3Fb",
        "/e%23f",
        "/x%00y",
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "index"),
        ("/", "index"),
        ("/guide/levers/", "guide/levers"),
        ("/Über%20uns/?q=1", "Über uns?q=1"),
        ("/%C3%BCber/100%25", "über/100%"),
        ("/100%25E9", "100%25E9"),
        ("/a%0Ab", "a%0Ab"),
        ("/%E4%BD%A0%E5%A5%BD", "你好"),
    ],
)
def test_a_page_has_a_readable_path(path: str, name: str) -> None:
    assert list(names(path)) == [name]


def test_pages_that_were_alone_with_their_name_keep_it() -> None:
    for path in ("", "/guide/levers/", "/Über%20uns/?q=1", "/100%25", "/a//b", "/x;y=1", "/%41"):
        assert list(names(path)) == [name_before(f"https://a.example{path}")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/caf%c3%a9", "/café"),
        ("/%41", "/A"),
        ("/a?x=%c3", "/a?x=%C3"),
        ("https://A.example:443/a", "/a"),
        ("/a#top", "/a#end"),
        ("https://a.example", "/"),
    ],
)
def test_two_spellings_of_an_address_are_one_page(one: str, other: str) -> None:
    assert len(names(one, other)) == 1


async def test_globs_choose_pages_and_other_hosts_are_left_out_and_told(site: Site) -> None:
    elsewhere = b"<url><loc>http://127.0.0.2/x</loc></url><url><loc>/relative</loc></url></urlset>"
    site.pages["/sitemap.xml"] = Answer(200, site.sitemap().replace(b"</urlset>", elsewhere))
    async with opened(site, selection=Selection((), ("guide/**",), ("**/levers",))) as source:
        assert set(await texts(source)) == {"guide/start"}
        assert (await source.findings()).notices == (
            "2 addresses of the sitemap are left out: they are not on its host 127.0.0.1, but on "
            "127.0.0.2 (1), no web address (1)",
        )
    assert site.asked() == ["/guide/start"], "what is not wanted is not asked for"
    del site.pages["/sitemap.xml"]
    async with opened(site) as source:
        await source.newest_commit()
        assert (await source.findings()).notices == ()


async def test_a_page_that_fails_keeps_the_path_that_an_earlier_release_gave_it(site: Site) -> None:
    site.pages = {"/b%2Fc": Answer(500, b"oops"), "/gone%2F": Answer(410, b"")}
    known = Known(frozenset({"b/c", "gone"}))
    async with opened(site, known=known) as source:
        commit = await source.newest_commit()
        files = {file.path: file for file in await source.list_files(commit)}
        assert set(files) == {"b/c", "gone%2F"}
        with pytest.raises(FileRefused, match="410"):
            await source.read(files["gone%2F"], commit)
    site.pages["/b%2Fc"] = "again"
    async with opened(site, known=known) as source:
        assert {file.path for file in await source.list_files("")} == {"b%2Fc", "gone%2F"}

"""A website by its sitemap, served over real HTTP."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from common.errors import Forbidden, NotFound, PermanentError, TransientError
from knowledge.documents import FileUnreadable
from knowledge.readers.pool import Readers
from knowledge.sources import FileRefused
from knowledge.sources.location import SitemapLocation
from knowledge.sources.selection import Selection, git_blob_sha
from knowledge.sources.website.pages import PageMemory, path_of
from knowledge.sources.website.sitemap_xml import Entry, parse_sitemap
from knowledge.sources.website.source import WebsiteSource
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.guarded_network import AddressRefused
from knowledge.web.retries import Retries
from tests.support.github import Answer
from tests.support.pdf import make_pdf
from tests.support.web import Request, WebServer, serve


@dataclass
class Site:
    """Pages by path: their HTML, or a whole answer. Pages in ``tagged`` have an ETag, ``lastmod`` dates."""

    pages: dict[str, str | Answer]
    robots: Answer = field(default_factory=lambda: Answer(404, b""))
    tagged: bool = False
    lastmod: dict[str, str] = field(default_factory=dict)
    server: WebServer = field(default_factory=lambda: WebServer(""))

    async def handle(self, request: Request) -> Answer:
        if request.path == "/robots.txt":
            return self.robots
        page = self.pages.get(request.target)
        if request.path == "/sitemap.xml" and page is None:
            return Answer(200, self.sitemap(), {"Content-Type": "application/xml"})
        if page is None:
            return Answer(404, b"no such page")
        if isinstance(page, Answer):
            return page
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if self.tagged:
            headers["ETag"] = f'"{hash(page)}"'
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Answer(304, b"", headers)
        return Answer(200, f"<html><title>t</title><main>{page}</main></html>".encode(), headers)

    def sitemap(self) -> bytes:
        urls = "".join(
            f"<url><loc>{self.server.url}{path}</loc>"
            + (f"<lastmod>{self.lastmod[path]}</lastmod>" if path in self.lastmod else "")
            + "</url>"
            for path in self.pages
        )
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'.encode()

    def asked(self) -> list[str]:
        """The pages requested since the last time."""
        paths = [path for path in self.server.paths() if path not in ("/robots.txt", "/sitemap.xml")]
        self.server.requests.clear()
        return sorted(paths)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site({"/": "home", "/guide/start": "start here", "/guide/levers/": "pull"})
    async with serve(site.handle) as server:
        site.server = server
        yield site


@asynccontextmanager
async def opened(
    site: Site,
    *,
    memory: PageMemory | None = None,
    selection: Selection | None = None,
    max_pages: int = 10,
    max_bytes: int = 10**6,
    sitemap: str = "/sitemap.xml",
    allowed: str = "127.0.0.1",
) -> AsyncIterator[WebsiteSource]:
    async with httpx.AsyncClient(trust_env=False) as http:
        fetcher = Fetcher(http, Access(frozenset({allowed})), Retries(2, 0.001, 1))
        readers = Readers()
        async with WebsiteSource(
            fetcher,
            memory or PageMemory(),
            readers,
            SitemapLocation(site.server.url + sitemap),
            selection or Selection(()),
            max_pages=max_pages,
            max_file_bytes=10_000,
            max_bytes=max_bytes,
        ) as source:
            yield source
        await fetcher.close()
        await readers.close()


async def texts(source: WebsiteSource) -> dict[str, str]:
    commit = await source.newest_commit()
    return {file.path: (await source.read(file, commit)).decode() for file in await source.list_files(commit)}


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


async def test_pages_with_the_same_lastmod_are_not_asked_for_again(site: Site) -> None:
    memory = PageMemory()
    site.lastmod = {"/": "2026-01-01", "/guide/start": "2026-01-01", "/guide/levers/": "2026-01-01"}
    async with opened(site, memory=memory) as source:
        first = await source.newest_commit()
    assert len(site.asked()) == 3
    async with opened(site, memory=memory) as source:
        assert await source.newest_commit() == first
    assert site.asked() == []
    site.lastmod["/"], site.pages["/"] = "2026-01-02", "home again"
    async with opened(site, memory=memory) as source:
        assert await source.newest_commit() != first
        assert site.asked() == ["/"]
        assert (await texts(source))["guide/start"] == "# t\n\nstart here", "still available for a full sync"


async def test_pages_with_an_etag_are_asked_for_conditionally(site: Site) -> None:
    site.tagged, memory = True, PageMemory()
    async with opened(site, memory=memory) as source:
        first = await source.newest_commit()
    site.server.requests.clear()
    site.pages["/"] = "home again"
    async with opened(site, memory=memory) as source:
        assert await source.newest_commit() != first
    conditional = [request for request in site.server.requests if "if-none-match" in request.headers]
    assert len(conditional) == 3


async def test_an_index_of_zipped_sitemaps_is_followed(site: Site) -> None:
    url, packed = site.server.url, gzip.compress(site.sitemap())
    entries = "".join(f"<sitemap><loc>{url}/{name}</loc></sitemap>" for name in ("a.xml.gz", "index.xml"))
    site.pages["/index.xml"] = Answer(200, f"<sitemapindex>{entries}</sitemapindex>".encode())
    site.pages["/a.xml.gz"] = Answer(200, packed, {"Content-Type": "application/gzip"})
    async with opened(site, sitemap="/index.xml") as source:
        assert set(await texts(source)) == {"index", "guide/start", "guide/levers"}


async def test_robots_txt_is_respected(site: Site) -> None:
    site.robots = Answer(200, b"User-agent: *\nDisallow: /guide/levers\n")
    async with opened(site) as source:
        commit = await source.newest_commit()
        assert "/guide/levers/" not in site.asked()
        files = {file.path: file for file in await source.list_files(commit)}
        with pytest.raises(FileRefused, match=r"robots\.txt"):
            await source.read(files["guide/levers"], commit)
    site.robots = Answer(200, b"User-agent: takaro-knowledge\nDisallow: /\n")
    async with opened(site) as source:
        with pytest.raises(Forbidden, match="does not let us"):
            await source.newest_commit()
    site.robots = Answer(503, b"")
    async with opened(site) as source:
        with pytest.raises(TransientError, match="503"):
            await source.newest_commit()


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


async def test_globs_choose_pages_and_other_hosts_are_left_out(site: Site) -> None:
    pages = site.sitemap().replace(b"</urlset>", b"<url><loc>http://127.0.0.2/x</loc></url></urlset>")
    site.pages["/sitemap.xml"] = Answer(200, pages)
    async with opened(site, selection=Selection((), ("guide/**",), ("**/levers",))) as source:
        assert set(await texts(source)) == {"guide/start"}
    assert site.asked() == ["/guide/start"], "what is not wanted is not asked for"


async def test_too_much_is_refused_rather_than_cut_off(site: Site) -> None:
    async with opened(site, max_pages=2) as source:
        with pytest.raises(PermanentError, match="SITEMAP_MAX_PAGES"):
            await source.newest_commit()
    async with opened(site, max_bytes=20) as source:
        with pytest.raises(PermanentError, match="SOURCE_MAX_BYTES"):
            await source.newest_commit()


async def test_pages_of_one_text_are_read_side_by_side(site: Site) -> None:
    """Each is fetched again, because a page known from the last sync has no stored text."""
    site.pages = dict.fromkeys([f"/page/{number}" for number in range(8)], "moved " * 1500)
    site.lastmod = dict.fromkeys(site.pages, "2026-11-01")
    memory = PageMemory()
    for _ in range(6):
        async with opened(site, memory=memory) as source:
            commit = await source.newest_commit()
            files = await source.list_files(commit)
            contents = await asyncio.gather(*(source.read(file, commit) for file in files))
        assert {git_blob_sha(content) for content in contents} == {files[0].content_sha}


async def test_a_sitemap_that_is_none_is_refused(site: Site) -> None:
    for answer, error in (
        (Answer(404, b""), NotFound),
        (Answer(403, b""), PermanentError),
        (Answer(200, b"<html><body>hi</body></html>"), PermanentError),
        (Answer(200, b"<urlset><url>"), PermanentError),
        (Answer(200, b"hello"), PermanentError),
        (Answer(200, b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset/>'), PermanentError),
        (Answer(500, b""), TransientError),
    ):
        site.pages["/sitemap.xml"] = answer
        async with opened(site) as source:
            with pytest.raises(error):
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


def test_sitemaps_are_parsed_within_bounds() -> None:
    parsed = parse_sitemap(b"\xef\xbb\xbfhttps://a.example/x\nhttps://a.example/y\n")
    assert parsed.entries == (Entry("https://a.example/x"), Entry("https://a.example/y"))
    many = "".join(f"<url><loc>https://a.example/{i}</loc></url>" for i in range(50_001))
    with pytest.raises(PermanentError, match="more than 50,000"):
        parse_sitemap(f"<urlset>{many}</urlset>".encode())
    with pytest.raises(PermanentError, match="larger than 50 MB"):
        parse_sitemap(gzip.compress(b" " * (51 * 1024 * 1024), 1))
    with pytest.raises(PermanentError, match="damaged"):
        parse_sitemap(b"\x1f\x8b\x08broken")


def test_a_packed_sitemap_that_is_cut_off_is_not_taken_for_a_short_one() -> None:
    packed = gzip.compress("\n".join(f"https://a.example/{i}" for i in range(1000)).encode())
    for length in (len(packed) // 2, len(packed) - 1):
        with pytest.raises(TransientError, match="cut off"):
            parse_sitemap(packed[:length])


def test_a_page_has_a_path() -> None:
    assert path_of("https://a.example") == "index"
    assert path_of("https://a.example/Über%20uns/?q=1") == "Über uns?q=1"

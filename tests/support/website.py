"""A website that tests change, served over real HTTP, and a source over it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from knowledge.readers.pool import Readers
from knowledge.sources import NOTHING_KNOWN, Known
from knowledge.sources.location import SitemapLocation
from knowledge.sources.selection import Selection
from knowledge.sources.website.pages import PageMemory
from knowledge.sources.website.source import WebsiteSource
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from tests.support.github import Answer
from tests.support.plain_http import NO_TLS
from tests.support.web import Request, WebServer


@dataclass
class Site:
    """Pages by path: their HTML, or a whole answer. With ``tagged`` they have an ETag, that of their text or
    ``lying_tag``. ``lastmod``: dates by path."""

    pages: dict[str, str | Answer]
    robots: Answer = field(default_factory=lambda: Answer(404, b""))
    tagged: bool = False
    lying_tag: str = ""
    lastmod: dict[str, str] = field(default_factory=dict)
    server: WebServer = field(default_factory=lambda: WebServer(""))
    readers: Readers = field(default_factory=Readers)

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
            headers["ETag"] = self.lying_tag or f'"{hash(page)}"'
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


@asynccontextmanager
async def opened(
    site: Site,
    *,
    memory: PageMemory | None = None,
    selection: Selection | None = None,
    max_pages: int = 10,
    max_bytes: int = 10**6,
    max_file_bytes: int = 10_000,
    sitemap: str = "/sitemap.xml",
    allowed: str = "127.0.0.1",
    known: Known = NOTHING_KNOWN,
) -> AsyncIterator[WebsiteSource]:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        fetcher = Fetcher(http, Access(frozenset({allowed})), Retries(2, 0.001, 1))
        async with WebsiteSource(
            fetcher,
            memory or PageMemory(),
            site.readers,
            SitemapLocation(site.server.url + sitemap),
            selection or Selection(()),
            max_pages=max_pages,
            max_file_bytes=max_file_bytes,
            max_bytes=max_bytes,
            known=known,
        ) as source:
            yield source
        await fetcher.close()


async def texts(source: WebsiteSource) -> dict[str, str]:
    """The texts of all pages by path."""
    commit = await source.newest_commit()
    return {file.path: (await source.read(file, commit)).decode() for file in await source.list_files(commit)}

"""The pages that a sitemap lists, with all the sitemaps that it names."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from common.errors import NotFound, PermanentError, TakaroError
from knowledge.documents import UnsupportedContent
from knowledge.readers.pool import Session
from knowledge.sources.location import SitemapLocation
from knowledge.sources.selection import Selection
from knowledge.sources.website.names import Address, address_of, name_pages
from knowledge.sources.website.sitemap_xml import MAX_BYTES, Entry, Sitemap, sitemap_json, sitemap_of
from knowledge.web.address import origin_of
from knowledge.web.fetching import Fetched, Fetcher, TooLarge

MAX_SITEMAPS = 500
GONE = (404, 410)
_SHOWN_PLACES = 3


@dataclass(slots=True)
class Listing:
    """Lists the pages on the sitemap's own host that ``selection`` takes; up to ``max_pages``. ``elsewhere``
    counts what is listed on other hosts, by host."""

    fetcher: Fetcher
    readers: Session
    at: SitemapLocation
    selection: Selection
    max_pages: int
    elsewhere: Counter[str] = field(default_factory=Counter)
    _notices: list[str] = field(default_factory=list)
    _host: str = ""

    async def pages(self) -> dict[str, Entry]:
        """The pages by name. Raises ``PermanentError`` for what is no sitemap and for too many pages,
        ``NotFound`` for a sitemap that is gone, and ``TransientError``."""
        self.elsewhere.clear()
        self._notices.clear()
        sitemaps = [self.at.url]
        pages: dict[Address, Entry] = {}
        for url in sitemaps:  # it grows meanwhile
            if len(sitemaps) > MAX_SITEMAPS:
                raise PermanentError(
                    f"{self.at} names more than {MAX_SITEMAPS} sitemaps", code="source_too_large"
                )
            answer = await self._get(url)
            self._host = self._host or host_of(answer.url)
            sitemap = await self._read(url, answer.content)
            here = await asyncio.to_thread(self._here, sitemap)
            if sitemap.is_index:
                known = set(sitemaps)
                sitemaps += [entry.url for entry in here.values() if entry.url not in known]
                continue
            for address, entry in here.items():
                pages.setdefault(address, entry)
            if len(pages) > self.max_pages:
                raise PermanentError(
                    f"{self.at} lists more than {self.max_pages:,} pages (SITEMAP_MAX_PAGES); "
                    "include or exclude globs can narrow it down",
                    code="source_too_large",
                )
        return await asyncio.to_thread(name_pages, pages.items())

    def notices(self) -> list[str]:
        """What of the sitemaps was left out, and why."""
        if not self.elsewhere:
            return self._notices
        count, places = self.elsewhere.total(), self.elsewhere.most_common(_SHOWN_PLACES)
        shown = ", ".join(f"{place or 'no web address'} ({number:,})" for place, number in places)
        more = " and others" if len(self.elsewhere) > _SHOWN_PLACES else ""
        return [
            *self._notices,
            f"{count:,} addresses of the sitemap are left out: they are not on its host {self._host}, but on "
            f"{shown}{more}",
        ]

    def _here(self, sitemap: Sitemap) -> dict[Address, Entry]:
        """Its entries on its own host; of pages those that are wanted."""
        found: dict[Address, Entry] = {}
        for entry in sitemap.entries:
            host = host_of(entry.url)
            if host != self._host:
                self.elsewhere[host] += 1
                continue
            address = address_of(entry.url)
            if sitemap.is_index or self.selection.takes(address.name):
                found.setdefault(address, entry)
        return found

    async def _read(self, url: str, content: bytes) -> Sitemap:
        try:
            sitemap = sitemap_of(await self.readers.run(sitemap_json, content))
        except UnsupportedContent as error:
            raise PermanentError(f"{url}: the sitemap: {error}", code="source_refused") from error
        if sitemap.left_out:
            self._notices.append(f"{url}: {sitemap.left_out:,} bytes after its gzip were left out")
        return sitemap

    async def _get(self, url: str) -> Fetched:
        try:
            answer = await self.fetcher.get(url, max_bytes=MAX_BYTES)
        except TooLarge as error:
            raise PermanentError(str(error), code="source_too_large") from error
        if answer.status in GONE:
            raise NotFound(f"{url}: HTTP {answer.status}; what was indexed is kept", code="source_not_found")
        if answer.status != 200:
            raise PermanentError(f"{url}: HTTP {answer.status}", code="source_refused")
        return answer


def host_of(url: str) -> str:
    """The lower-case host; empty if it isn't a web address."""
    try:
        return origin_of(url)[1]
    except TakaroError:
        return ""

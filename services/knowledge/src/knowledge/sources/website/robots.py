"""What a website lets us read, and how fast."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import Forbidden, PermanentError, TransientError
from knowledge.documents import UnsupportedContent
from knowledge.documents.robots import ask_robots
from knowledge.readers.pool import Session
from knowledge.sources.location import SitemapLocation
from knowledge.web.address import origin_of, site_of
from knowledge.web.fetching import USER_AGENT, Fetcher, TooLarge

MAX_CRAWL_DELAY_SECONDS = 5.0
"""The longest pause between two requests that a site's Crawl-delay can impose."""

_ROBOTS_BYTES = 500 * 1024  # RFC 9309: parse at least this much


@dataclass(slots=True)
class Robots:
    """The robots.txt of a sitemap's site. ``pause``: seconds between two requests."""

    fetcher: Fetcher
    readers: Session
    at: SitemapLocation
    pause: float = 0.0
    _content: bytes = b""

    async def fetch(self) -> None:
        """Raises ``Forbidden`` if it forbids the sitemap itself, ``TransientError`` while it can't be had."""
        scheme, _, _ = origin_of(self.at.url)
        url = f"{scheme}://{site_of(self.at.url)}/robots.txt"
        try:
            answer = await self.fetcher.get(url, max_bytes=_ROBOTS_BYTES)
        except TooLarge as error:
            raise PermanentError(f"{url}: {error}", code="source_refused") from error
        if answer.status >= 500:
            raise TransientError(f"{url}: HTTP {answer.status}: without it no page may be read")
        self._content = answer.content if answer.status == 200 else b""
        delay, forbidden = await self._ask([self.at.url])
        self.pause = min(delay or 0.0, MAX_CRAWL_DELAY_SECONDS)
        if forbidden:
            raise Forbidden(f"{url} does not let us read {self.at}", code="source_refused")

    async def forbidden(self, urls: Sequence[str]) -> frozenset[str]:
        """Those of ``urls`` that it forbids."""
        return frozenset((await self._ask(urls))[1])

    async def _ask(self, urls: Sequence[str]) -> tuple[float | None, Sequence[str]]:
        if not self._content or not urls:
            return None, ()
        try:
            said = await self.readers.run(ask_robots, self._content, USER_AGENT, urls)
        except UnsupportedContent as error:
            raise PermanentError(f"{self.at}: robots.txt: {error}", code="source_refused") from error
        return said["delay"], said["forbidden"]

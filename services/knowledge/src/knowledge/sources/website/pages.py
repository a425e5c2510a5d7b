"""Pages of a website: what is known of one."""

from collections import OrderedDict
from dataclasses import dataclass, field

import structlog

from knowledge.sources.selection import git_blob_sha
from knowledge.sources.website.sitemap_xml import Entry

log = structlog.get_logger()


@dataclass(slots=True, frozen=True)
class Page:
    """The result of reading a page. ``problem`` says why there is no text; ``gone``: the page doesn't exist
    or is forbidden. ``note``: which parts of it could not be read. ``read_at``: when it was last read, in
    seconds since the epoch."""

    path: str
    url: str
    content_sha: str
    size: int = 0
    lastmod: str = ""
    etag: str = ""
    last_modified: str = ""
    read_at: float = 0.0
    problem: str = ""
    gone: bool = False
    note: str = ""


@dataclass(slots=True)
class PageMemory:
    """The last state of each page that was read, by URL; ``limit`` pages in all."""

    limit: int = 200_000
    _pages: "OrderedDict[str, Page]" = field(default_factory=OrderedDict)

    def get(self, url: str) -> Page | None:
        return self._pages.get(url)

    def put(self, page: Page) -> None:
        self._pages[page.url] = page
        self._pages.move_to_end(page.url)
        while len(self._pages) > self.limit:
            self._pages.popitem(last=False)


def refused(path: str, entry: Entry, reason: str) -> Page:
    """A page that is refused: it has no text."""
    return Page(path, entry.url, git_blob_sha(f"refused: {reason}".encode()), problem=reason, gone=True)


def failed(path: str, entry: Entry, reason: str) -> Page:
    """A page that could not be fetched this time."""
    log.info("page not read", url=entry.url, reason=reason)
    return Page(path, entry.url, git_blob_sha(b"failed"), problem=reason)

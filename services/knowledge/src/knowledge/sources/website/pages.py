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
    """The last state of each page that was read, by URL; ``limit`` pages in all. And why a content has no
    text, by :func:`answer_key`: reading it again could take minutes."""

    limit: int = 200_000
    _pages: "OrderedDict[str, Page]" = field(default_factory=OrderedDict)
    _refusals: "OrderedDict[str, str]" = field(default_factory=OrderedDict)

    def get(self, url: str) -> Page | None:
        return self._pages.get(url)

    def put(self, page: Page) -> None:
        self._pages[page.url] = page
        self._pages.move_to_end(page.url)
        while len(self._pages) > self.limit:
            self._pages.popitem(last=False)

    def refusal_of(self, key: str) -> str | None:
        return self._refusals.get(key)

    def refuse(self, key: str, reason: str) -> None:
        self._refusals[key] = reason
        self._refusals.move_to_end(key)
        while len(self._refusals) > self.limit:
            self._refusals.popitem(last=False)


def answer_key(content: bytes, url: str, content_type: str) -> str:
    """Stands for an answer: what it is read as depends on all three."""
    return git_blob_sha(b"\x00".join((content_type.encode(), url.encode(), content)))


def refused(path: str, entry: Entry, reason: str) -> Page:
    """A page that is refused: it has no text."""
    return Page(path, entry.url, git_blob_sha(f"refused: {reason}".encode()), problem=reason, gone=True)


def failed(path: str, entry: Entry, reason: str) -> Page:
    """A page that could not be fetched this time."""
    log.info("page not read", url=entry.url, reason=reason)
    return Page(path, entry.url, git_blob_sha(b"failed"), problem=reason)

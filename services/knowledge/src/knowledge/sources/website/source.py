"""A website, by its sitemap: the pages that it lists on its own host, as text.

There is no commit, so a digest of the pages' paths and contents takes its place. To compute it, each sync
requests the pages again, except those whose ``lastmod`` hasn't changed. Pages with an ``ETag`` or
``Last-Modified`` are requested conditionally. What this needs is remembered in the process: the first sync
after a start reads every page.

A page's content is its text: title, description and main part. So a new session token or advertisement in the
HTML isn't a change.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from common.errors import Forbidden, NotFound, PermanentError, TakaroError, TransientError
from knowledge.documents import FileUnreadable, UnsupportedContent
from knowledge.documents.page import read_page
from knowledge.documents.robots import ask_robots
from knowledge.readers.pool import Readers
from knowledge.sources import FileRefused, SourceFile
from knowledge.sources.location import SitemapLocation
from knowledge.sources.selection import Selection, digest_of, git_blob_sha
from knowledge.sources.website.pages import Page, PageMemory, failed, host_of, path_of, refused
from knowledge.sources.website.sitemap_xml import MAX_BYTES, Entry, Sitemap, sitemap_json, sitemap_of
from knowledge.sources.work_folder import WorkFolder
from knowledge.waiting.later import Later
from knowledge.waiting.slots import waiting_for
from knowledge.web.address import origin_of, site_of
from knowledge.web.fetching import USER_AGENT, Fetched, Fetcher, TooLarge

MAX_SITEMAPS = 500
PAGES_AT_ONCE = 4
MAX_CRAWL_DELAY_SECONDS = 5.0
"""The longest pause between two requests that a site's Crawl-delay can impose."""

_GONE = (404, 410)
_ROBOTS_BYTES = 500 * 1024  # RFC 9309: parse at least this much


class WebsiteSource:
    """The pages of a sitemap. Use it in ``async with``: texts wait in a separate folder to be read."""

    def __init__(
        self,
        fetcher: Fetcher,
        memory: PageMemory,
        readers: Readers,
        at: SitemapLocation,
        selection: Selection,
        *,
        max_pages: int,
        max_file_bytes: int,
        max_bytes: int,
    ) -> None:
        self._fetcher, self._memory, self._at, self._selection = fetcher, memory, at, selection
        self._max_pages, self._max_file_bytes, self._max_bytes = max_pages, max_file_bytes, max_bytes
        self._folder: WorkFolder | None = None
        self._pages: dict[str, Page] = {}
        self._kept_bytes = 0
        self._robots = b""
        self._forbidden: frozenset[str] = frozenset()
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)
        self._readers, self._most_text = readers.session(), readers.limits.text
        self._pause = 0.0
        self._later: Later | None = None

    async def __aenter__(self) -> "WebsiteSource":
        self._folder = await asyncio.to_thread(WorkFolder.create, "site")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._folder:
            await asyncio.to_thread(self._folder.remove)

    async def newest_commit(self) -> str:
        await self._read_robots()
        entries = await self._list_pages()
        _, forbidden = await self._ask_robots([entry.url for entry in entries.values()])
        self._forbidden = frozenset(forbidden)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._look_at(path, entry)) for path, entry in entries.items()]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # a limit, the same for all
        self._pages = {page.path: page for page in (task.result() for task in tasks)}
        return digest_of([(page.path, page.content_sha) for page in self._pages.values()])

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        if not self._pages:
            await self.newest_commit()
        return [SourceFile(page.path, page.content_sha, page.size, ".txt") for page in self._pages.values()]

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Does nothing: changed pages are here already; the others are requested one by one."""

    async def read(self, file: SourceFile, commit: str) -> bytes:
        page = self._pages[file.path]
        if page.gone:
            raise FileRefused(page.problem)
        if page.problem:
            raise FileUnreadable(page.problem) from self._later
        kept = self._kept(file.content_sha)
        if not await asyncio.to_thread(kept.exists):
            again = await self._fetch(page.path, Entry(page.url, page.lastmod), None)
            if again.content_sha != file.content_sha:
                raise FileUnreadable(again.problem or f"{page.url}: changed while it was being read")
        return await asyncio.to_thread(kept.read_bytes)

    async def _read_robots(self) -> None:
        scheme, _, _ = origin_of(self._at.url)
        url = f"{scheme}://{site_of(self._at.url)}/robots.txt"
        try:
            answer = await self._fetcher.get(url, max_bytes=_ROBOTS_BYTES)
        except TooLarge as error:
            raise PermanentError(f"{url}: {error}", code="source_refused") from error
        if answer.status >= 500:
            raise TransientError(f"{url}: HTTP {answer.status}: without it no page may be read")
        self._robots = answer.content if answer.status == 200 else b""
        delay, forbidden = await self._ask_robots([self._at.url])
        if delay:
            self._pause = min(delay, MAX_CRAWL_DELAY_SECONDS)
            self._turns = asyncio.Semaphore(1)
        if forbidden:
            raise Forbidden(f"{url} does not let us read {self._at}", code="source_refused")

    async def _ask_robots(self, urls: Sequence[str]) -> tuple[float | None, Sequence[str]]:
        """The pause that robots.txt asks for, and those of ``urls`` that it forbids."""
        if not self._robots or not urls:
            return None, ()
        try:
            said = await self._readers.run(ask_robots, self._robots, USER_AGENT, urls)
        except UnsupportedContent as error:
            raise PermanentError(f"{self._at}: robots.txt: {error}", code="source_refused") from error
        return said["delay"], said["forbidden"]

    async def _list_pages(self) -> dict[str, Entry]:
        """Pages by path: on the sitemap's own host, selected by the globs. Of two with one path the first
        counts."""
        sitemaps = [self._at.url]
        pages: dict[str, Entry] = {}
        host = ""
        for url in sitemaps:  # it grows meanwhile
            if len(sitemaps) > MAX_SITEMAPS:
                raise PermanentError(
                    f"{self._at} names more than {MAX_SITEMAPS} sitemaps", code="source_too_large"
                )
            answer = await self._get_sitemap(url)
            host = host or host_of(answer.url)
            sitemap = await self._read_sitemap(url, answer.content)
            found = await asyncio.to_thread(self._found, sitemap, host)
            if sitemap.is_index:
                known = set(sitemaps)
                sitemaps += [url for url in found if url not in known]
                continue
            for path, entry in found.items():
                pages.setdefault(path, entry)
            if len(pages) > self._max_pages:
                raise PermanentError(
                    f"{self._at} lists more than {self._max_pages:,} pages (SITEMAP_MAX_PAGES); "
                    "include or exclude globs can narrow it down",
                    code="source_too_large",
                )
        return pages

    def _found(self, sitemap: Sitemap, host: str) -> dict[str, Entry]:
        """Its entries on ``host``: of an index by their addresses, else the wanted ones by their paths."""
        here = [entry for entry in sitemap.entries if host_of(entry.url) == host]
        if sitemap.is_index:
            return {entry.url: entry for entry in here}
        found: dict[str, Entry] = {}
        for entry in here:
            path = path_of(entry.url)
            if self._selection.takes(path):
                found.setdefault(path, entry)
        return found

    async def _read_sitemap(self, url: str, content: bytes) -> Sitemap:
        try:
            return sitemap_of(await self._readers.run(sitemap_json, content))
        except UnsupportedContent as error:
            raise PermanentError(f"{url}: the sitemap: {error}", code="source_refused") from error

    async def _get_sitemap(self, url: str) -> Fetched:
        try:
            answer = await self._fetcher.get(url, max_bytes=MAX_BYTES)
        except TooLarge as error:
            raise PermanentError(str(error), code="source_too_large") from error
        if answer.status in _GONE:
            raise NotFound(f"{url}: HTTP {answer.status}; what was indexed is kept", code="source_not_found")
        if answer.status != 200:
            raise PermanentError(f"{url}: HTTP {answer.status}", code="source_refused")
        return answer

    async def _look_at(self, path: str, entry: Entry) -> Page:
        """The page's current state, in the cheapest way."""
        if entry.url in self._forbidden:
            return refused(path, entry, "robots.txt forbids it")
        known = self._memory.get(entry.url)
        if known and entry.lastmod and known.lastmod == entry.lastmod:
            return known
        page = await self._fetch(path, entry, known)
        if not page.problem:
            self._memory.put(page)
        return page

    async def _fetch(self, path: str, entry: Entry, known: Page | None) -> Page:
        headers = {}
        if known and known.etag:
            headers["If-None-Match"] = known.etag
        elif known and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        async with self._turns:
            try:
                answer = await self._fetcher.get(entry.url, headers=headers, max_bytes=self._max_file_bytes)
            except TooLarge as error:
                return refused(path, entry, str(error))
            except TakaroError as error:
                self._later = error if isinstance(error, Later) else self._later
                return failed(path, entry, error.reason)
            finally:
                if self._pause:
                    async with waiting_for(site_of(entry.url)):
                        await asyncio.sleep(self._pause)
        if answer.status == 304 and known:
            return Page(
                path, entry.url, known.content_sha, known.size, entry.lastmod, known.etag, known.last_modified
            )
        if answer.status in _GONE:
            return refused(path, entry, f"HTTP {answer.status}")
        if answer.status != 200:
            return failed(path, entry, f"GET {entry.url}: HTTP {answer.status}")
        try:
            content_type = answer.headers.get("content-type", "")
            text = await self._readers.run(
                read_page, answer.content, answer.url, content_type, self._max_file_bytes, self._most_text
            )
        except UnsupportedContent as error:
            return refused(path, entry, str(error))
        except FileUnreadable as error:
            return failed(path, entry, str(error))
        return await self._keep(path, entry, answer, text.encode())

    async def _keep(self, path: str, entry: Entry, answer: Fetched, content: bytes) -> Page:
        self._kept_bytes += len(content)
        if self._kept_bytes > self._max_bytes:
            raise PermanentError(
                f"{self._at}: its pages are larger than {self._max_bytes:,} bytes (SOURCE_MAX_BYTES)",
                code="source_too_large",
            )
        sha = git_blob_sha(content)
        await asyncio.to_thread(_write_whole, self._kept(sha), content)
        return Page(
            path,
            entry.url,
            sha,
            len(content),
            entry.lastmod,
            answer.headers.get("etag", ""),
            answer.headers.get("last-modified", ""),
        )

    def _kept(self, sha: str) -> Path:
        if self._folder is None:
            raise RuntimeError("the source is used outside its context")
        return self._folder.path / sha


def _write_whole(path: Path, content: bytes) -> None:
    """Make the text available to the reader of ``path`` at once. Pages with one text share one file and are
    fetched concurrently."""
    part = path.with_name(f"{path.name}-{uuid4()}")
    part.write_bytes(content)
    os.replace(part, path)

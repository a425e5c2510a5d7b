"""A website, by its sitemap: the pages that it lists on its own host, as text.

There is no commit, so a digest of the pages' paths and contents takes its place. To compute it, each sync
requests the pages again, except those whose ``lastmod`` shows that they are the same. Pages with an ``ETag``
or ``Last-Modified`` are requested conditionally. What this needs is remembered in the process: the first sync
after a start reads every page. What is remembered counts only for a page whose text isn't needed, so that the
text that is read is always the one that was listed.

A page's content is its text: title, description and main part. So a new session token or advertisement in the
HTML isn't a change.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from common.errors import PermanentError, TakaroError
from knowledge.documents import FileUnreadable, UnsupportedContent
from knowledge.documents.page import read_page
from knowledge.readers.pool import Readers
from knowledge.sources import NOTHING_KNOWN, FileRefused, Findings, Known, SourceFile
from knowledge.sources.location import SitemapLocation
from knowledge.sources.selection import Selection, digest_of, git_blob_sha
from knowledge.sources.website.lastmod import is_settled
from knowledge.sources.website.listing import GONE, Listing
from knowledge.sources.website.names import name_before
from knowledge.sources.website.pages import Page, PageMemory, answer_key, failed, refused
from knowledge.sources.website.robots import Robots
from knowledge.sources.website.sitemap_xml import Entry
from knowledge.sources.work_folder import WorkFolder
from knowledge.waiting.later import Later
from knowledge.waiting.slots import waiting_for
from knowledge.web.address import site_of
from knowledge.web.fetching import Fetched, Fetcher, TooLarge

_NOTICES = 20
"""Pages that were read in part and are named."""

PAGES_AT_ONCE = 4


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
        known: Known = NOTHING_KNOWN,
    ) -> None:
        self._fetcher, self._memory, self._at, self._known = fetcher, memory, at, known
        self._max_file_bytes, self._max_bytes = max_file_bytes, max_bytes
        self._folder: WorkFolder | None = None
        self._pages: dict[str, Page] = {}
        self._kept_bytes = 0
        self._readers, self._most_text = readers.session(), readers.limits.text
        self._robots = Robots(fetcher, self._readers, at)
        self._listing = Listing(fetcher, self._readers, at, selection, max_pages)
        self._forbidden: frozenset[str] = frozenset()
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)
        self._later: Later | None = None

    async def __aenter__(self) -> "WebsiteSource":
        self._folder = await asyncio.to_thread(WorkFolder.create, "site")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._folder:
            await asyncio.to_thread(self._folder.remove)

    async def newest_commit(self) -> str:
        await self._robots.fetch()
        if self._robots.pause:
            self._turns = asyncio.Semaphore(1)
        entries = await self._listing.pages()
        self._forbidden = await self._robots.forbidden([entry.url for entry in entries.values()])
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._look_at(path, entry)) for path, entry in entries.items()]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # a limit, the same for all
        self._pages = self._by_path([task.result() for task in tasks])
        return digest_of([(page.path, page.content_sha) for page in self._pages.values()])

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        if not self._pages:
            await self.newest_commit()
        return [SourceFile(page.path, page.content_sha, page.size, ".txt") for page in self._pages.values()]

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Does nothing: whatever will be read is here already."""

    async def findings(self) -> Findings:
        partly = [f"{page.url}: {page.note}" for page in self._pages.values() if page.note]
        return Findings((*self._listing.notices(), *partly[:_NOTICES]))

    async def read(self, file: SourceFile, commit: str) -> bytes:
        page = self._pages[file.path]
        if page.gone:
            raise FileRefused(page.problem)
        if page.problem:
            raise FileUnreadable(page.problem) from self._later
        try:
            return await asyncio.to_thread(self._kept(file.content_sha).read_bytes)
        except FileNotFoundError as error:  # the base had its rows when the pages were looked at
            raise FileUnreadable(
                f"{page.url}: its rows have gone meanwhile; the next sync reads it"
            ) from error

    def _by_path(self, pages: Sequence[Page]) -> dict[str, Page]:
        """The pages by path. One that can't be read keeps the path under which a base of an earlier release
        has its text."""
        found = {page.path: page for page in pages}
        for page in pages:
            before = name_before(page.url)
            is_old = before in self._known.paths and page.path not in self._known.paths
            if is_old and page.problem and not page.gone and before not in found:
                del found[page.path]
                found[before] = replace(page, path=before)
        return found

    async def _look_at(self, path: str, entry: Entry) -> Page:
        """The page's current state, in the cheapest way."""
        if entry.url in self._forbidden:
            return refused(path, entry, "robots.txt forbids it")
        known = None if self._known.fresh else self._memory.get(entry.url)
        if known and self._known.contents.get(path) != known.content_sha:
            known = None  # its text is needed
        if known and known.lastmod == entry.lastmod and is_settled(entry.lastmod, known.read_at, time.time()):
            return replace(known, path=path)
        page = await self._fetch(path, entry, known)
        if not page.problem:
            self._memory.put(page)
        return page

    async def _fetch(self, path: str, entry: Entry, known: Page | None) -> Page:
        headers, read_at = {}, time.time()
        if self._known.fresh:
            headers["Cache-Control"] = "no-cache"
        elif known and known.etag:
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
                if self._robots.pause:
                    async with waiting_for(site_of(entry.url)):
                        await asyncio.sleep(self._robots.pause)
        if answer.status == 304 and known:
            return replace(known, path=path, lastmod=entry.lastmod, read_at=read_at)
        if answer.status in GONE:
            return refused(path, entry, f"HTTP {answer.status}")
        if answer.status != 200:
            return failed(path, entry, f"GET {entry.url}: HTTP {answer.status}")
        content_type = answer.headers.get("content-type", "")
        key = await asyncio.to_thread(answer_key, answer.content, answer.url, content_type)
        if not self._known.fresh and (reason := self._memory.refusal_of(key)):
            return refused(path, entry, reason)
        try:
            read = await self._readers.run(
                read_page, answer.content, answer.url, content_type, self._max_file_bytes, self._most_text
            )
        except UnsupportedContent as error:
            self._memory.refuse(key, str(error))
            return refused(path, entry, str(error))
        page = await self._keep(path, entry, answer, read["text"].encode(), read_at)
        return replace(page, note=read["note"])

    async def _keep(self, path: str, entry: Entry, answer: Fetched, content: bytes, read_at: float) -> Page:
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
            read_at,
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

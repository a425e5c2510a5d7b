"""Opens a base's source for reading."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import PermanentError
from knowledge.documents import MAX_FILE_BYTES
from knowledge.readers.pool import Readers
from knowledge.sources import NOTHING_KNOWN, Known, Source
from knowledge.sources.checked_paths import CheckedPaths
from knowledge.sources.folder.source import FolderSource
from knowledge.sources.git.source import GitMemory, GitSource
from knowledge.sources.github.access import GitHubAccess
from knowledge.sources.github.source import GitHubSource
from knowledge.sources.location import (
    GitHubLocation,
    GitLocation,
    Location,
    SitemapLocation,
    on_github,
    parse_source,
)
from knowledge.sources.selection import Selection
from knowledge.sources.website.pages import PageMemory
from knowledge.sources.website.source import WebsiteSource
from knowledge.waiting.slots import admit
from knowledge.web.address import site_of
from knowledge.web.fetching import Fetcher


@dataclass(slots=True, frozen=True)
class Limits:
    """Maximum bytes of one file, bytes that one sync fetches, and pages of a website."""

    file_bytes: int = MAX_FILE_BYTES
    total_bytes: int = 2 * 1024**3
    pages: int = 5_000


@dataclass(slots=True, frozen=True)
class Sources:
    """What sources need from the composition root, and what is remembered between syncs; ``readers``
    read what they fetch."""

    fetcher: Fetcher
    github: GitHubAccess
    local_roots: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    git_memory: GitMemory = field(default_factory=GitMemory)
    page_memory: PageMemory = field(default_factory=PageMemory)
    readers: Readers = field(default_factory=Readers)

    def admit(self, source: str) -> None:
        """Raises ``SiteSilent`` in a sync that would have to wait behind too many others for ``source``."""
        with suppress(PermanentError):  # reported when the source is opened
            location = parse_source(source)
            if isinstance(location, GitHubLocation):
                admit(site_of(self.github.site_of(location).api_url))
            elif isinstance(location, GitLocation | SitemapLocation):
                admit(site_of(location.url))

    @asynccontextmanager
    async def open(
        self, source: str, selection: Selection, known: Known = NOTHING_KNOWN
    ) -> AsyncIterator[Source]:
        """Open the source that ``source`` names; what it fetches is deleted at the exit. It lists what
        ``selection`` takes, under names that can be stored; ``known`` is what its reader has of it.

        Raises ``PermanentError`` for one that isn't valid or may not be read.
        """
        location = parse_source(source)
        async with self._opened(location, selection, known) as found:
            # A website selects by its addresses, which aren't always the paths.
            chosen = isinstance(location, SitemapLocation)
            yield CheckedPaths(found, Selection(()) if chosen else selection)

    @asynccontextmanager
    async def _opened(self, location: Location, selection: Selection, known: Known) -> AsyncIterator[Source]:
        limits = self.limits
        if isinstance(location, GitHubLocation):
            yield GitHubSource(self.fetcher, self.github, location, limits.file_bytes, known)
        elif isinstance(location, GitLocation):
            same = on_github(location, self.github.hosts())
            async with GitSource(
                self.fetcher,
                self.git_memory,
                self.readers,
                location,
                max_bytes=limits.total_bytes,
                max_file_bytes=limits.file_bytes,
                known=known,
                on_github=GitHubSource(self.fetcher, self.github, same, 0, known) if same else None,
            ) as remote:
                yield remote
        elif isinstance(location, SitemapLocation):
            async with WebsiteSource(
                self.fetcher,
                self.page_memory,
                self.readers,
                location,
                selection,
                max_pages=limits.pages,
                max_file_bytes=limits.file_bytes,
                max_bytes=limits.total_bytes,
                known=known,
            ) as website:
                yield website
        else:
            yield FolderSource(location.path, self.local_roots, selection, limits.file_bytes)

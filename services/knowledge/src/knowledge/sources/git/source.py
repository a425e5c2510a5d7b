"""Any Git remote over HTTP(S): a shallow, blobless fetch, then one more fetch for the wanted contents.

The commit is the newest that touches the path, found with as little history as possible: first one commit
deep, then 64, 1,024, and all. In a shallow history a boundary commit seems to have created everything in it,
so such a commit doesn't count. The last seen head is remembered together with the commit found for it, so an
unchanged remote costs one GET.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from common.errors import NotFound, TakaroError, TransientError
from knowledge.documents import FileUnreadable
from knowledge.readers.pool import Readers
from knowledge.sources import NOTHING_KNOWN, FileRefused, Findings, Known, Repository, SourceFile
from knowledge.sources.git.advertisement import Advertised, ask
from knowledge.sources.git.program import Git, GitFailed, end
from knowledge.sources.location import GitLocation
from knowledge.sources.moves import findings_of, place_of
from knowledge.sources.selection import below
from knowledge.sources.work_folder import WorkFolder
from knowledge.web.fetching import Fetcher

DEPTHS = (64, 1024, 2_147_483_647)
"""2³¹-1 is Git's own value for a complete history."""

_REGULAR_FILES = ("100644", "100755")
_FETCH = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no")
_END = "--end-of-options"
REMEMBERED = 2_000


@dataclass(slots=True)
class GitMemory:
    """For each source: the branch's last seen head, and the commit that touched the path."""

    _commits: "OrderedDict[GitLocation, tuple[str, str]]" = field(default_factory=OrderedDict)

    def commit_of(self, at: GitLocation, head: str) -> str | None:
        known = self._commits.get(at)
        return known[1] if known and known[0] == head else None

    def remember(self, at: GitLocation, head: str, commit: str) -> None:
        self._commits[at] = (head, commit)
        self._commits.move_to_end(at)
        while len(self._commits) > REMEMBERED:
            self._commits.popitem(last=False)


class Identified(Protocol):
    """A repository that can say what it is."""

    async def identify(self) -> Repository | None: ...


class GitSource:
    """A path of a branch. Use it in ``async with``: what it fetches is kept in a separate folder until the
    exit."""

    def __init__(
        self,
        fetcher: Fetcher,
        memory: GitMemory,
        readers: Readers,
        at: GitLocation,
        *,
        max_bytes: int,
        max_file_bytes: int,
        known: Known = NOTHING_KNOWN,
        on_github: Identified | None = None,
    ) -> None:
        """``on_github`` is the same repository at GitHub's API, if it is there."""
        self._fetcher, self._memory, self._at = fetcher, memory, at
        self._readers = readers.session()
        self._max_bytes, self._max_file_bytes = max_bytes, max_file_bytes
        self._known, self._on_github = known, on_github
        self._folder: WorkFolder | None = None
        self._advertised: Advertised | None = None
        self._git: Git | None = None
        self._sizes: dict[str, int] = {}
        self._contents: asyncio.subprocess.Process | None = None
        self._reading = asyncio.Lock()

    async def __aenter__(self) -> "GitSource":
        self._folder = await asyncio.to_thread(WorkFolder.create, "git")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._contents:
            await end(self._contents)
        if self._folder:
            await asyncio.to_thread(self._folder.remove)

    async def newest_commit(self) -> str:
        self._advertised = advertised = await ask(self._fetcher, self._readers, self._at)
        known = self._memory.commit_of(self._at, advertised.head)
        if known:
            return known
        commit = await self._find_commit(advertised.head) if self._at.path else advertised.head
        self._memory.remember(self._at, advertised.head, commit)
        return commit

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        """The files of the branch's head. Below the path they are those of ``commit``, its newest change."""
        git, head = await self._fetched()
        paths = ["--", self._at.path] if self._at.path else []
        listing = await git.run("ls-tree", "-r", "-z", "--full-tree", _END, head, *paths)
        files = await asyncio.to_thread(_files, listing, self._at.path)
        if not files and self._at.path:
            raise NotFound(
                f"{self._at} has nothing at its path (commit {commit[:12]}); what was indexed is kept",
                code="source_not_found",
            )
        return files

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        git, head = await self._fetched()
        self._sizes = await _blobs(git)
        missing = sorted({file.content_sha for file in files} - self._sizes.keys())
        if not missing:
            return
        wanted = "".join(f"{sha}\n" for sha in missing).encode()
        try:
            # As Git itself fetches what a partial clone lacks: these objects, without the objects they refer
            # to.
            noop = ("-c", "fetch.negotiationAlgorithm=noop")
            await git.run(
                *noop, *_FETCH, "--filter=blob:none", "--stdin", "origin", stdin=wanted, limited=True
            )
        except GitFailed:
            # A server that doesn't serve objects by name sends all of the commit's.
            self._git = git = await self._create("whole")
            await self._fetch(git, head, "--depth=1")
        self._sizes = await _blobs(git)

    async def findings(self) -> Findings:
        """Where the repository is now. ``on_github`` is asked for its number if that isn't known yet, if it
        has moved, and by a full sync."""
        before, now = place_of(self._at.url), place_of((await self._ask()).url)
        known, found = self._known.repository, Repository(now)
        if known and known.name.casefold() == now.casefold() and not self._known.fresh:
            found = known
        if self._on_github and found.id is None:
            with suppress(TakaroError):  # the files are what matters
                found = await self._on_github.identify() or found
        return findings_of(before, found, known)

    async def read(self, file: SourceFile, commit: str) -> bytes:
        size = self._sizes.get(file.content_sha)
        if size is None:
            raise FileUnreadable(f"{file.path}: the server did not send its content")
        if size > self._max_file_bytes:
            raise FileRefused(f"the file is larger than {self._max_file_bytes:,} bytes")
        async with self._reading:
            try:
                return await self._content(file.content_sha)
            except (OSError, EOFError, ValueError) as error:
                if self._contents:
                    await end(self._contents)
                    self._contents = None
                raise FileUnreadable(f"{file.path}: git cat-file ended: {error}") from error

    async def _find_commit(self, head: str) -> str:
        git, _ = await self._fetched()
        for depth in (*DEPTHS, 0):
            found = (
                (await git.run("log", "-1", "--format=%H", _END, head, "--", self._at.path)).decode().strip()
            )
            if found and found not in await asyncio.to_thread(git.boundary):
                return found
            if depth:
                await self._fetch(git, head, f"--depth={depth}", "--filter=blob:none")
        raise NotFound(f"no commit of {self._at} touches its path", code="source_not_found")

    async def _fetched(self) -> tuple[Git, str]:
        """The repository with the head's trees, at least one commit deep."""
        advertised = await self._ask()
        if self._git is None:
            git = await self._create("blobless")
            await self._fetch(git, advertised.head, "--depth=1", "--filter=blob:none")
            self._git = git
        return self._git, advertised.head

    async def _ask(self) -> Advertised:
        if self._advertised is None:
            self._advertised = await ask(self._fetcher, self._readers, self._at)
        return self._advertised

    async def _create(self, name: str) -> Git:
        if self._folder is None or self._advertised is None:
            raise RuntimeError("the source is used outside its context")
        folder = self._folder.path / name
        folder.mkdir()
        return await Git.create(folder, self._advertised.url, self._fetcher, self._max_bytes)

    async def _fetch(self, git: Git, head: str, *options: str) -> None:
        """Fetch the commit that was advertised; by its branch if the server wants a name."""
        try:
            await git.run(*_FETCH, *options, _END, "origin", head, limited=True)
        except GitFailed:
            ref = self._advertised.ref if self._advertised else "HEAD"
            await git.run(*_FETCH, *options, _END, "origin", f"+{ref}:refs/takaro/head", limited=True)
            if (await git.run("rev-parse", "refs/takaro/head")).decode().strip() != head:
                raise TransientError(f"{self._at} has moved while it was being read") from None

    async def _content(self, sha: str) -> bytes:
        if self._contents is None:
            if self._git is None:
                raise EOFError("nothing was fetched")
            self._contents = await self._git.start("cat-file", "--batch", offline=True)
        process = self._contents
        if process.stdin is None or process.stdout is None:
            raise EOFError("no pipes")
        process.stdin.write(f"{sha}\n".encode())
        await process.stdin.drain()
        header = (await process.stdout.readline()).split()
        if len(header) != 3:
            raise EOFError("no such object")
        content = await process.stdout.readexactly(int(header[2]))
        await process.stdout.readexactly(1)
        return content


async def _blobs(git: Git) -> dict[str, int]:
    """The blobs that are present, and their sizes. Asked in this way, Git fetches none."""
    options = ("--batch-all-objects", "--batch-check=%(objecttype) %(objectname) %(objectsize)")
    return await asyncio.to_thread(_sizes, await git.run("cat-file", *options, "--unordered"))


def _sizes(said: bytes) -> dict[str, int]:
    lines = said.decode().splitlines()
    return {sha: int(size) for kind, sha, size in map(str.split, lines) if kind == "blob"}


def _files(listing: bytes, path: str) -> list[SourceFile]:
    """Those of ``ls-tree -z`` that lie below ``path``."""
    lines = listing.split(b"\x00")
    return [file for line in lines if line and (file := _file(line)) and below(file.path, path)]


def _file(line: bytes) -> SourceFile | None:
    """Regular files only: a symbolic link or a submodule has no content."""
    facts, _, name = line.partition(b"\t")
    mode, _, sha = facts.decode().split()
    return SourceFile(name.decode(errors="surrogateescape"), sha, 0) if mode in _REGULAR_FILES else None

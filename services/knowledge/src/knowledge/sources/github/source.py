"""GitHub's REST API: everything is read at one commit, the newest that touches the path.

One recursive listing with blob hashes finds every change, however many files, including renames and
force-pushes. A content is accepted only if its blob hash is the listed one.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import structlog

from common.errors import NotFound, PermanentError, TakaroError, TransientError
from knowledge.documents import FileUnreadable
from knowledge.sources import NOTHING_KNOWN, FileRefused, Findings, Known, Repository, SourceFile
from knowledge.sources.github.access import GitHubAccess, GitHubSite
from knowledge.sources.location import GitHubLocation, is_repository_name
from knowledge.sources.moves import findings_of
from knowledge.sources.selection import below, git_blob_sha, is_git_hash
from knowledge.waiting.later import RateLimited
from knowledge.web.fetching import Fetched, Fetcher, TooLarge

log = structlog.get_logger()

_REGULAR_FILES = ("100644", "100755")
_JSON = "application/vnd.github+json"
_RAW = "application/vnd.github.raw+json"
MAX_LISTING_BYTES = 64 * 1024 * 1024
"""GitHub truncates a listing at 7 MB and 100,000 entries; Enterprise lets operators raise that."""


class GitHubSource:
    """A path of a branch of a repository. Raises ``Forbidden`` for a host other than the operator's."""

    def __init__(
        self,
        fetcher: Fetcher,
        access: GitHubAccess,
        location: GitHubLocation,
        max_file_bytes: int,
        known: Known = NOTHING_KNOWN,
    ) -> None:
        self._fetcher, self._access, self._at = fetcher, access, location
        self._site: GitHubSite = access.site_of(location)
        self._max_file_bytes, self._known = max_file_bytes, known
        self._name = f"{location.owner}/{location.repository}"
        self._moved = False

    async def newest_commit(self) -> str:
        params = {"sha": self._at.branch, "per_page": "1"}
        if self._at.path:
            params["path"] = self._at.path
        commits = await self._api("commits", params, conditional=True)
        if not isinstance(commits, list) or not commits:
            raise NotFound(f"no commit of {self._at} touches its path", code="source_not_found")
        sha = commits[0].get("sha") if isinstance(commits[0], dict) else None
        if not is_git_hash(sha):
            raise TransientError(f"GitHub's commits of {self._at} have no 40-digit sha")
        return str(sha)

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        files = [file for file in await self._walk(commit, "") if below(file.path, self._at.path)]
        if not files and self._at.path:
            raise NotFound(
                f"{self._at} has nothing at its path (commit {commit[:12]}); what was indexed is kept",
                code="source_not_found",
            )
        return files

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Does nothing: here each file is a separate request."""

    async def findings(self) -> Findings:
        """GitHub is asked for the repository if it isn't known yet, if it has moved, and by a full sync."""
        known, named = self._known.repository, f"{self._at.host}/{self._name}"
        is_known = known is not None and known.id and known.name.casefold() == named.casefold()
        if is_known and not self._moved and not self._known.fresh:
            return Findings(repository=known)
        try:
            found = await self.identify()
        except TakaroError as error:  # the files are what matters
            log.info("repository not identified", source=str(self._at), reason=error.reason)
            found = None
        return findings_of(named, found, known)

    async def identify(self) -> Repository | None:
        """The repository, after GitHub's redirects; what else is read of it is read by its present name."""
        value = await self._api("", {}, conditional=True)
        number, name = (value.get("id"), value.get("full_name")) if isinstance(value, dict) else (None, None)
        if not isinstance(number, int) or not isinstance(name, str) or not is_repository_name(name):
            return None
        self._name = name
        return Repository(f"{self._at.host}/{name}", number)

    async def read(self, file: SourceFile, commit: str) -> bytes:
        site = self._site
        if site.raw_url:
            url = f"{site.raw_url}/{self._name}/{commit}/{quote(file.path)}"
        else:
            url = self._url(f"git/blobs/{file.content_sha}")
        try:
            answer = await self._get(url, accept=_RAW, max_bytes=self._max_file_bytes)
        except TooLarge as error:
            raise FileRefused(f"the file is larger than {self._max_file_bytes:,} bytes") from error
        except TakaroError as error:
            raise FileUnreadable(error.reason) from error
        if answer.status != 200:
            raise FileUnreadable(f"GET {url}: HTTP {answer.status}")
        if git_blob_sha(answer.content) != file.content_sha:
            raise FileUnreadable(f"GET {url}: the content is not the one listed at this commit")
        return answer.content

    async def _walk(self, tree: str, prefix: str) -> list[SourceFile]:
        """The files of ``tree``: in one call, or folder by folder if GitHub truncates the answer."""
        listing = await self._tree(tree, recursive=True)
        if not listing.get("truncated"):
            return _files(listing, prefix)
        listing = await self._tree(tree, recursive=False)
        if listing.get("truncated"):
            raise PermanentError(
                f"{self._at}: the folder {prefix or '/'} has more entries than GitHub lists; "
                "read the repository as a Git remote (git+https://…) instead",
                code="source_too_large",
            )
        files = _files(listing, prefix)
        for entry in listing["tree"]:
            path = prefix + entry["path"]
            if entry["type"] == "tree" and (below(path, self._at.path) or below(self._at.path, path)):
                files += await self._walk(entry["sha"], f"{path}/")
        return files

    async def _tree(self, tree: str, *, recursive: bool) -> dict[str, Any]:
        listing = await self._api(f"git/trees/{tree}", {"recursive": "1"} if recursive else {})
        if not isinstance(listing, dict) or not isinstance(listing.get("tree"), list):
            raise TransientError(f"GitHub's tree {tree} of {self._at} isn't a listing")
        if not all(is_git_hash(entry.get("sha")) for entry in listing["tree"]):
            raise TransientError(f"GitHub's tree {tree} of {self._at} has an entry without a 40-digit sha")
        return listing

    def _url(self, what: str) -> str:
        return f"{self._site.api_url}/repos/{self._at.owner}/{self._at.repository}/{what}".rstrip("/")

    async def _api(self, what: str, params: dict[str, str], *, conditional: bool = False) -> Any:
        """The JSON of an answer. ``conditional``: sent with the last answer's ETag; an unchanged answer
        doesn't count towards GitHub's rate limit."""
        url = self._url(what)
        key = (url, tuple(sorted(params.items())))
        known = self._access.remembered(key) if conditional and not self._known.fresh else None
        headers = {"If-None-Match": known[0]} if known else {}
        try:
            answer = await self._get(url, params, headers=headers, max_bytes=MAX_LISTING_BYTES)
        except TooLarge as error:
            raise PermanentError(str(error), code="source_too_large") from error
        self._moved = self._moved or urlsplit(answer.url).path != urlsplit(url).path
        if answer.status == 304 and known:
            return known[1]
        if answer.status == 404:
            raise NotFound(
                f"GitHub does not know {self._at}, or the token may not see it", code="source_not_found"
            )
        if answer.status != 200:
            words = " ".join(answer.text.split())[:200]
            raise PermanentError(f"GET {url}: HTTP {answer.status} {words}", code="source_refused")
        value = answer.json()
        if conditional and (etag := answer.headers.get("etag")):
            self._access.remember(key, etag, value)
        return value

    async def _get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        *,
        max_bytes: int,
        accept: str = _JSON,
        headers: dict[str, str] | None = None,
    ) -> Fetched:
        self._access.check_limit(self._site)
        sent = {"Accept": accept, "X-GitHub-Api-Version": "2022-11-28", **(headers or {})}
        try:
            answer = await self._fetcher.get(
                url, params=params, headers=sent, max_bytes=max_bytes, secrets=self._site.secrets
            )
        except RateLimited as limited:
            self._access.limit(self._site, limited.until)
            raise limited.again("GitHub's rate limit") from limited
        self._access.note_limit(self._site, answer)
        return answer


def _files(listing: dict[str, Any], prefix: str) -> list[SourceFile]:
    """Regular files only: a symbolic link or a submodule has no content."""
    return [
        SourceFile(prefix + entry["path"], entry["sha"], int(entry.get("size") or 0))
        for entry in listing["tree"]
        if entry["type"] == "blob" and entry.get("mode", "100644") in _REGULAR_FILES
    ]

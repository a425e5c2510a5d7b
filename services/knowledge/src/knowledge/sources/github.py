"""GitHub's REST API: everything is read at one commit, the newest that touches the path.

One recursive listing with blob hashes finds every change, whatever the number of files, renames and
force-pushes included. A content is accepted only when its blob hash is the listed one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from common.errors import NotFound, PermanentError, TransientError
from knowledge.http_retries import Retries, send
from knowledge.sources import FileUnreadable, SourceFile
from knowledge.sources.location import GitHubLocation
from knowledge.sources.selection import below, git_blob_sha

_REGULAR_FILES = ("100644", "100755")


@dataclass(slots=True, frozen=True)
class GitHubAccess:
    """Where GitHub's API and raw content are, and the token for both."""

    api_url: str
    raw_url: str
    token: str | None = None
    retries: Retries = field(default_factory=Retries)


class GitHubSource:
    """A path of a branch of a repository."""

    def __init__(self, http: httpx.AsyncClient, access: GitHubAccess, location: GitHubLocation) -> None:
        self._http, self._access, self._at = http, access, location

    async def newest_commit(self) -> str:
        params = {"sha": self._at.branch, "per_page": "1"}
        if self._at.path:
            params["path"] = self._at.path
        commits = await self._api("commits", params)
        if not isinstance(commits, list) or not commits:
            raise NotFound(f"no commit of {self._at} touches its path", code="source_not_found")
        sha = commits[0].get("sha") if isinstance(commits[0], dict) else None
        if not isinstance(sha, str) or len(sha) != 40:
            raise TransientError(f"GitHub's commits of {self._at} have no 40-digit sha")
        return sha

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        files = [file for file in await self._walk(commit, "") if below(file.path, self._at.path)]
        if not files and self._at.path:
            raise NotFound(
                f"{self._at} has nothing at its path (commit {commit[:12]}); what was indexed is kept",
                code="source_not_found",
            )
        return files

    async def read(self, file: SourceFile, commit: str) -> bytes:
        at = self._at
        url = f"{self._access.raw_url}/{at.owner}/{at.repository}/{commit}/{quote(file.path)}"
        try:
            response = await self._get(url, {})
        except TransientError as error:
            raise FileUnreadable(error.reason) from error
        if response.status_code != 200:
            raise FileUnreadable(f"GET {url}: HTTP {response.status_code}")
        if git_blob_sha(response.content) != file.content_sha:
            raise FileUnreadable(f"GET {url}: the content is not the one listed at this commit")
        return response.content

    async def _walk(self, tree: str, prefix: str) -> list[SourceFile]:
        """The files of ``tree``: in one call, or folder by folder where GitHub cuts the answer off."""
        listing = await self._api(f"git/trees/{tree}", {"recursive": "1"})
        if not listing.get("truncated"):
            return _files(listing, prefix)
        listing = await self._api(f"git/trees/{tree}", {})
        files = _files(listing, prefix)
        for entry in listing["tree"]:
            path = prefix + entry["path"]
            if entry["type"] == "tree" and (below(path, self._at.path) or below(self._at.path, path)):
                files += await self._walk(entry["sha"], f"{path}/")
        return files

    async def _api(self, what: str, params: dict[str, str]) -> Any:
        url = f"{self._access.api_url}/repos/{self._at.owner}/{self._at.repository}/{what}"
        response = await self._get(url, params)
        if response.status_code == 404:
            raise NotFound(
                f"GitHub does not know {self._at}, or the token may not see it", code="source_not_found"
            )
        if response.status_code != 200:
            words = " ".join(response.text.split())[:200]
            raise PermanentError(f"GET {url}: HTTP {response.status_code} {words}", code="source_refused")
        try:
            return response.json()
        except ValueError as error:
            raise TransientError(f"GET {url}: the answer is no JSON") from error

    async def _get(self, url: str, params: dict[str, str]) -> httpx.Response:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        return await send(
            lambda: self._http.get(url, params=params, headers=headers, follow_redirects=True),
            what=f"GET {url}",
            retries=self._access.retries,
        )


def _files(listing: dict[str, Any], prefix: str) -> list[SourceFile]:
    """Regular files only: a symbolic link or a submodule has no content of its own."""
    return [
        SourceFile(prefix + entry["path"], entry["sha"], int(entry.get("size") or 0))
        for entry in listing["tree"]
        if entry["type"] == "blob" and entry.get("mode", "100644") in _REGULAR_FILES
    ]

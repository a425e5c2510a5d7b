"""Parses the text of a base's ``source``. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from common.errors import Invalid
from knowledge.web.address import canonical_netloc

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_BRANCH = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*")
_SCHEMES = ("http", "https")
_GIST = re.compile(r"[0-9a-f]{5,40}")
_SSH = re.compile(
    r"(?:(?:git\+)?ssh://(?:git@)?(?P<ssh_host>[A-Za-z0-9.-]+)(?::22)?/|git@(?P<scp_host>[A-Za-z0-9.-]+):)"
    r"(?P<path>[A-Za-z0-9._/-]+)"
)
_NO_OWNERS = frozenset(
    ("orgs", "users", "topics", "sponsors", "apps", "marketplace", "settings", "collections", "features")
)
"""First segments of GitHub's own pages; nobody can have these names."""

GITHUB = "github.com"
GITHUB_CLOUD = ".ghe.com"
"""Hosts of GitHub Enterprise Cloud with data residency: ``<name>.ghe.com``."""

SITEMAP_SCHEMES = ("sitemap+https://", "sitemap+http://")


@dataclass(slots=True, frozen=True)
class GitHubLocation:
    """``path`` is ``""`` for the whole tree, else without slashes at its ends. For GitHub Enterprise ``host``
    (with its port) isn't github.com."""

    owner: str
    repository: str
    branch: str = "main"
    path: str = ""
    host: str = GITHUB

    def __str__(self) -> str:
        tree = f"/tree/{self.branch}/{self.path}".rstrip("/")
        return f"{self.host}/{self.owner}/{self.repository}{tree}"


@dataclass(slots=True, frozen=True)
class GitLocation:
    """A Git remote over HTTP(S). ``branch`` is ``""`` for the remote's own default."""

    url: str
    branch: str = ""
    path: str = ""

    def __str__(self) -> str:
        inside = f"#{self.branch}:{self.path}".rstrip(":")
        return self.url if inside == "#" else self.url + inside


@dataclass(slots=True, frozen=True)
class SitemapLocation:
    """A website's sitemap, or an index of several."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(slots=True, frozen=True)
class FolderLocation:
    """An absolute path on this machine, of a folder or one file."""

    path: Path

    def __str__(self) -> str:
        return self.path.as_uri()


Location: TypeAlias = GitHubLocation | GitLocation | SitemapLocation | FolderLocation


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""No name of a file, a branch or a host holds one; U+0000 stops the operating system's calls."""


def parse_source(source: str) -> Location:
    """Read a source:

    - ``https://github.com/<owner>/<repo>[/tree|blob/<branch>[/<path>]]``, and the longer form on the host of
      a GitHub Enterprise (a slash in the branch's name is ``%2F``); also ``git@github.com:<owner>/<repo>``;
    - ``https://github.com/<owner>/<repo>/wiki`` or ``<repo>.wiki.git``, ``https://gist.github.com/<id>``: Git
      remotes, which the API doesn't know;
    - ``git+https://<host>/<any path>[#<branch>[:<path>]]``, also without ``git+`` if it ends in ``.git``;
    - ``sitemap+https://<host>/<path>``;
    - ``file:///<path>`` or ``/<path>``.

    Hosts of the result are canonical: two spellings of a place are equal.

    Raises ``Invalid``, also for a URL with a password in it, because sources are shown to people.
    """
    if _CONTROL.search(unquote(source)):
        raise Invalid(f"source {source!r} holds a control character", code="invalid_source")
    if source.startswith("/"):
        return FolderLocation(Path(source))
    if by_ssh := _of_ssh(source):
        return by_ssh
    try:
        parts = urlsplit(source)
        kind, _, scheme = parts.scheme.rpartition("+")
        netloc = (
            canonical_netloc(parts._replace(scheme=scheme)) if parts.hostname and scheme in _SCHEMES else ""
        )
    except ValueError as error:
        raise Invalid(f"source {source!r} isn't a URL: {error}", code="invalid_source") from error
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return FolderLocation(Path(unquote(parts.path)))
    if netloc and kind in ("", "git", "sitemap"):
        if parts.username is not None or parts.password is not None:
            raise Invalid(
                "a source may hold no user or password: it is shown to people. An operator sets them in "
                "SOURCE_CREDENTIALS or GITHUB_TOKEN",
                code="invalid_source",
            )
        found = _of_http(source, kind, parts._replace(scheme=scheme, netloc=netloc))
        if found is not None:
            return found
    raise Invalid(
        f"source {source!r} isn't one of https://github.com/<owner>/<repo>/tree/<branch>/<path>, "
        "git+https://<host>/<repository>#<branch>:<path>, sitemap+https://<host>/sitemap.xml and file:///<path>",
        code="invalid_source",
    )


def _of_http(source: str, kind: str, parts: SplitResult) -> Location | None:
    if kind == "sitemap":
        return SitemapLocation(urlunsplit(parts._replace(fragment="")))
    if parts.netloc == f"www.{GITHUB}":
        parts = parts._replace(netloc=GITHUB)
    if kind == "git":
        return _git(source, parts)
    segments = [segment for segment in parts.path.split("/") if segment]
    is_remote = bool(segments) and segments[-1].endswith(".git")
    if parts.netloc == f"gist.{GITHUB}":
        return _gist(source, segments, parts)
    if parts.netloc == GITHUB or parts.netloc.endswith(GITHUB_CLOUD):
        if wiki := _wiki(segments):
            return _git(source, parts._replace(path=wiki))
        if is_remote and parts.fragment:
            return _git(source, parts)
        return _github(source, segments, parts.netloc)
    if len(segments) >= 4 and segments[2] in ("tree", "blob"):
        return _github(source, segments, parts.netloc)
    return _git(source, parts) if is_remote else None


def _github(source: str, segments: list[str], host: str) -> GitHubLocation:
    if len(segments) == 2 or (len(segments) >= 4 and segments[2] in ("tree", "blob")):
        owner, repository = segments[0], segments[1].removesuffix(".git")
        named = [unquote(segment) for segment in segments[3:]]
        dots = any(segment in (".", "..") for segment in [owner, repository, *named])
        is_name = _SEGMENT.fullmatch(owner) and _SEGMENT.fullmatch(repository)
        if is_name and not dots and owner.lower() not in _NO_OWNERS:
            branch = named[0] if named else "main"
            return GitHubLocation(owner, repository, branch, "/".join(named[1:]), host)
    raise Invalid(f"source {source!r} names no GitHub repository, branch and path", code="invalid_source")


def is_repository_name(name: str) -> bool:
    """Whether ``name`` is ``<owner>/<repository>``."""
    owner, _, repository = name.partition("/")
    return all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in (owner, repository))


def on_github(location: GitLocation, hosts: Collection[str]) -> GitHubLocation | None:
    """The same repository for GitHub's API, if the remote is on one of GitHub's ``hosts``, and no wiki."""
    parts = urlsplit(location.url)
    segments = parts.path.strip("/").removesuffix(".git").split("/")
    if parts.netloc not in hosts or len(segments) != 2 or _wiki(segments):
        return None
    if not is_repository_name("/".join(segments)):
        return None
    return GitHubLocation(segments[0], segments[1], location.branch or "main", location.path, parts.netloc)


def _wiki(segments: list[str]) -> str:
    """The path of the wiki's Git remote, if it is one: the API knows no wikis. No repository's name may end
    in ``.wiki``."""
    if len(segments) == 3 and segments[2] == "wiki":
        return f"/{segments[0]}/{segments[1].removesuffix('.git')}.wiki.git"
    if len(segments) == 2 and segments[1].removesuffix(".git").endswith(".wiki"):
        return f"/{segments[0]}/{segments[1].removesuffix('.git')}.git"
    return ""


def _gist(source: str, segments: list[str], parts: SplitResult) -> GitLocation:
    """A gist is a Git remote, by its id alone: ``/<owner>/<id>`` and ``/<id>.git`` are the same."""
    gist = segments[-1].removesuffix(".git") if len(segments) in (1, 2) else ""
    if not _GIST.fullmatch(gist):
        raise Invalid(f"source {source!r} names no gist", code="invalid_source")
    return _git(source, parts._replace(path=f"/{gist}.git", query=""))


def _of_ssh(source: str) -> GitHubLocation | None:
    """A repository on GitHub by its address for SSH, which names the same as the one for HTTPS. Raises
    ``Invalid`` for one on another host."""
    found = _SSH.fullmatch(source)
    if not found:
        return None
    host, path = (found["ssh_host"] or found["scp_host"]).lower(), found["path"].strip("/")
    segments = path.split("/")
    if host == GITHUB and not _wiki(segments):
        return _github(source, segments, GITHUB)
    raise Invalid(
        f"source {source!r}: nothing is read over SSH; is it git+https://{host}/{path}#<branch>:<path>?",
        code="invalid_source",
    )


def _git(source: str, parts: SplitResult) -> GitLocation:
    branch, _, path = unquote(parts.fragment).partition(":")
    path = path.strip("/")
    url = urlunsplit(parts._replace(fragment="", path=parts.path.rstrip("/")))
    bad_path = any(segment in ("", ".", "..") for segment in path.split("/")) if path else False
    bad_branch = bool(branch) and (
        not _BRANCH.fullmatch(branch) or ".." in branch or branch.endswith((".lock", "/", "."))
    )
    if bad_path or bad_branch or "\x00" in path or not parts.path.strip("/"):
        raise Invalid(
            f"source {source!r} names no Git repository, branch and path: it is git+https://<host>/<repository>"
            "#<branch>:<path>",
            code="invalid_source",
        )
    return GitLocation(url, branch, path)

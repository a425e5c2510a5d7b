"""Where people read a file of a base: at its source, as it was indexed. Pure."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from common.errors import Invalid
from knowledge.sources.location import GitHubLocation, GitLocation, Location, SitemapLocation, parse_source

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NUMBERED = re.compile(r" \([0-9a-f]{12}\)\Z")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IN_PATHS = "/%:@!$&'()*+,;=~"
_HOME = "index"

_BY_HOST = (
    (re.compile(r"(?:www\.)?github\.com|.*\.ghe\.com"), "{url}/blob/{commit}/{path}"),
    (re.compile(r"(?:.*\.)?gitlab\..*"), "{url}/-/blob/{commit}/{path}"),
    (re.compile(r"bitbucket\.org"), "{url}/src/{commit}/{path}"),
    (re.compile(r"codeberg\.org|(?:.*\.)?(?:gitea|forgejo)\..*"), "{url}/src/commit/{commit}/{path}"),
)
"""How a Git server shows a file at a commit. Of others only Git's own protocol is known."""


@dataclass(slots=True, frozen=True)
class Origin:
    """Where a version's files came from: the base's source, and the commit that was indexed, if a sync of
    ours did."""

    source: str
    commit: str | None


def link_to(origin: Origin, path: str) -> str | None:
    """The address of the file at its source, at the indexed commit. ``None`` for a folder, for a Git server
    whose pages aren't known, and for a page whose address its name doesn't tell."""
    location = _location(origin.source)
    if isinstance(location, SitemapLocation):
        return _page(location.url, path)
    if origin.commit is None or not _COMMIT.fullmatch(origin.commit):
        return None
    if isinstance(location, GitHubLocation):
        repository = f"https://{location.host}/{location.owner}/{location.repository}"
        return f"{repository}/blob/{origin.commit}/{quote(path)}"
    return _in_remote(location, origin.commit, path) if isinstance(location, GitLocation) else None


@lru_cache(maxsize=256)
def _location(source: str) -> Location | None:
    """Parsed once for all hits of a base."""
    try:
        return parse_source(source)
    except Invalid:
        return None


def _in_remote(location: GitLocation, commit: str, path: str) -> str | None:
    parts = urlsplit(location.url)
    url = location.url.removesuffix(".git")
    if parts.hostname == "gist.github.com":
        return f"{url}/{commit}"
    if parts.hostname == "github.com" and url.endswith(".wiki"):
        return f"{url.removesuffix('.wiki')}/wiki/{quote(path.rpartition('.')[0] or path)}/{commit}"
    for host, form in _BY_HOST:
        if host.fullmatch(parts.hostname or ""):
            return form.format(url=url, commit=commit, path=quote(path))
    return None


def _page(sitemap: str, name: str) -> str | None:
    """The inverse of :attr:`knowledge.sources.website.names.Address.name`, except for a last slash."""
    if _NUMBERED.search(name):
        return None
    path, asks, query = name.partition("?")
    path = "" if path == _HOME else _LONE_PERCENT.sub("%25", path.removeprefix("/"))
    parts = urlsplit(sitemap)
    return f"{parts.scheme}://{parts.netloc}/{quote(path, safe=_IN_PATHS)}" + (f"?{query}" if asks else "")

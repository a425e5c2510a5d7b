"""What a base's ``source`` text names. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from common.errors import Invalid

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(slots=True, frozen=True)
class GitHubLocation:
    """``path`` is ``""`` for the whole tree, else without slashes at its ends."""

    owner: str
    repository: str
    branch: str = "main"
    path: str = ""

    def __str__(self) -> str:
        tree = f"/tree/{self.branch}/{self.path}".rstrip("/")
        return f"github.com/{self.owner}/{self.repository}{tree}"


@dataclass(slots=True, frozen=True)
class FolderLocation:
    """An absolute path on this machine, of a folder or one file."""

    path: Path

    def __str__(self) -> str:
        return self.path.as_uri()


def parse_source(source: str) -> GitHubLocation | FolderLocation:
    """Read ``https://github.com/<owner>/<repo>[/tree|blob/<branch>[/<path>]]``, ``file:///…`` or ``/…``.

    A branch is one segment (percent-encode a slash in its name). Raises ``Invalid``.
    """
    if source.startswith("/"):
        return FolderLocation(Path(source))
    parts = urlsplit(source)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return FolderLocation(Path(unquote(parts.path)))
    if parts.scheme in ("http", "https") and parts.hostname in ("github.com", "www.github.com"):
        return _github(source, [segment for segment in parts.path.split("/") if segment])
    raise Invalid(
        f"source {source!r} is neither https://github.com/<owner>/<repo>/tree/<branch>/<path> nor file:///<path>",
        code="invalid_source",
    )


def _github(source: str, segments: list[str]) -> GitHubLocation:
    if len(segments) == 2 or (len(segments) >= 4 and segments[2] in ("tree", "blob")):
        owner, repository = segments[0], segments[1].removesuffix(".git")
        named = [unquote(segment) for segment in segments[3:]]
        dots = any(segment in (".", "..") for segment in [owner, repository, *named])
        if _SEGMENT.fullmatch(owner) and _SEGMENT.fullmatch(repository) and not dots:
            return GitHubLocation(owner, repository, named[0] if named else "main", "/".join(named[1:]))
    raise Invalid(f"source {source!r} names no GitHub repository, branch and path", code="invalid_source")

"""The first answer of a Git server over smart HTTP: its refs. One GET shows whether a branch has moved."""

import re
from dataclasses import dataclass
from typing import Any

from common.errors import NotFound, PermanentError, TransientError
from knowledge.documents import UnsupportedContent
from knowledge.readers.pool import Session
from knowledge.sources.location import GitLocation
from knowledge.sources.selection import is_git_hash
from knowledge.web.fetching import Fetcher, TooLarge

_SERVICE = "/info/refs?service=git-upload-pack"
_CONTENT_TYPE = "application/x-git-upload-pack-advertisement"
MAX_BYTES = 64 * 1024 * 1024
_SHA1_OR_256 = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"HEAD|refs(?:/(?!\.)[^\x00-\x20\x7f~^:?*\[\\/]+)+")


@dataclass(slots=True, frozen=True)
class Advertised:
    """The repository's URL after redirects, and the commit at the head of the wanted branch."""

    url: str
    ref: str
    head: str


async def ask(fetcher: Fetcher, readers: Session, at: GitLocation) -> Advertised:
    """Ask the server of ``at``. Raises ``PermanentError`` if there is no such repository or branch."""
    try:
        answer = await fetcher.get(at.url + _SERVICE, max_bytes=MAX_BYTES)
    except TooLarge as error:
        raise PermanentError(str(error), code="source_too_large") from error
    if answer.status in (401, 403, 404):
        raise NotFound(
            f"{at}: HTTP {answer.status}: there is no such repository, or SOURCE_CREDENTIALS has none for "
            "its host; what was indexed is kept",
            code="source_not_found",
        )
    if answer.status != 200:
        raise PermanentError(f"{at}: HTTP {answer.status}", code="source_refused")
    if answer.headers.get("content-type", "").split(";")[0] != _CONTENT_TYPE or not answer.url.endswith(
        _SERVICE
    ):
        raise PermanentError(f"{at} isn't a Git repository over smart HTTP", code="source_refused")
    try:
        said = await readers.run(read_advertisement, answer.content, at.branch)
    except UnsupportedContent as error:
        raise PermanentError(f"{at}: its list of branches: {error}", code="source_refused") from error
    if said["sha256"]:
        raise PermanentError(f"{at} has SHA-256 commits, which aren't supported", code="source_refused")
    if not said["head"]:
        missing = f"branch {at.branch}" if at.branch else "default branch"
        raise NotFound(f"{at} has no {missing}; what was indexed is kept", code="source_not_found")
    return Advertised(answer.url.removesuffix(_SERVICE), said["ref"], said["head"])


def read_advertisement(body: bytes, branch: str) -> dict[str, Any]:
    """What an advertisement says of ``branch`` (of the default one without a name): its ``ref`` and ``head``,
    empty if there is none; ``sha256``: whether the commits' names are of that kind."""
    refs, capabilities = parse_refs(body)
    sha256 = "object-format=sha256" in capabilities or not all(map(is_git_hash, refs.values()))
    ref = f"refs/heads/{branch}" if branch else _default_branch(capabilities)
    found = ref in refs and _REF.fullmatch(ref)
    return {"sha256": sha256, "ref": ref if found else "", "head": refs[ref] if found else ""}


def parse_refs(body: bytes) -> tuple[dict[str, str], list[str]]:
    """Refs (name to commit: 40 hex digits, or 64 with SHA-256) and capabilities of an advertisement, protocol
    version 0 or 1 (gitprotocol-pack).

    Raises ``TransientError`` if it is cut off or malformed.
    """
    refs: dict[str, str] = {}
    capabilities: list[str] = []
    position, length = 0, -1
    try:
        while position < len(body):
            length = int(body[position : position + 4], 16)
            line = body[position + 4 : position + max(length, 4)]
            if position + 4 > len(body) or (length and (length < 4 or len(line) != length - 4)):
                raise ValueError("a line is cut off")
            position += max(length, 4)
            if not line or line.startswith((b"#", b"version ")):
                continue
            reference, _, listed = line.rstrip(b"\n").partition(b"\x00")
            sha, _, name = reference.decode("utf-8", "surrogateescape").partition(" ")
            if not _SHA1_OR_256.fullmatch(sha):
                raise ValueError(f"{sha[:80]!r} isn't a commit")
            capabilities = capabilities or listed.decode("utf-8", "replace").split()
            refs[name] = sha
        if length or not refs:  # an empty repository has a line for its capabilities
            raise ValueError("its end is missing")
    except ValueError as error:
        raise TransientError(f"the Git server's answer is malformed: {error}") from error
    return refs, capabilities


def _default_branch(capabilities: list[str]) -> str:
    for capability in capabilities:
        if capability.startswith("symref=HEAD:"):
            return capability.removeprefix("symref=HEAD:")
    return "HEAD"

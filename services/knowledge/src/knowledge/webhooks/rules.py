"""Which bases a push concerns, and whether GitHub sent it. Pure."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from common.errors import PermanentError
from knowledge.sources.location import GitHubLocation, GitLocation, parse_source
from knowledge.sources.selection import below
from knowledge.webhooks.records import Push

MOST_COMMITS = 2048
"""GitHub lists at most so many commits of a push, so a push with that many may have had more.
https://docs.github.com/en/webhooks/webhook-events-and-payloads#push"""

_SIGNATURE = re.compile("sha256=[0-9a-f]{64}")
_BRANCH, _TAG = "refs/heads/", "refs/tags/"


def looks_signed(signature: str) -> bool:
    """Whether ``X-Hub-Signature-256`` has the form of a signature."""
    return bool(_SIGNATURE.fullmatch(signature))


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether ``X-Hub-Signature-256`` is the body's. Takes equally long for any wrong signature."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def touched_paths(commits: Sequence[tuple[str, ...]], *, rewritten: bool) -> frozenset[str] | None:
    """The paths of all commits (each: the paths it names), or ``None`` if they are incomplete.

    They are incomplete after a force-push or for a new branch (``rewritten``), for a push of more commits
    than are listed, and for a commit that names no path: a merge may have changed files while it resolved
    conflicts.
    """
    if rewritten or not commits or len(commits) >= MOST_COMMITS or not all(commits):
        return None
    return frozenset(path for commit in commits for path in commit)


def concerns(push: Push, source: str) -> bool:
    """Whether the base with this source may have changed: the same repository and branch (or tag), and a
    touched path below its own, by whole segments."""
    try:
        location = parse_source(source)
    except PermanentError:
        return False
    if isinstance(location, GitHubLocation):
        named = (location.host, f"{location.owner}/{location.repository}")
        branch = location.branch
    elif isinstance(location, GitLocation):
        parts = urlsplit(location.url)
        named = (parts.netloc, parts.path.strip("/").removesuffix(".git"))
        branch = location.branch or push.default_branch
    else:
        return False
    if (named[0], named[1].casefold()) != (push.host, push.repository.casefold()):
        return False
    if push.ref not in (_BRANCH + branch, _TAG + branch):
        return False
    return push.paths is None or any(below(path, location.path) for path in push.paths)

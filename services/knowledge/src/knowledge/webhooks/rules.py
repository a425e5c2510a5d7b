"""Which bases a push concerns, and whether GitHub sent it. Pure."""

import hashlib
import hmac
import re
from collections.abc import Sequence

from common.errors import PermanentError
from knowledge.sources import Repository
from knowledge.sources.location import GitHubLocation, GitLocation, parse_source
from knowledge.sources.moves import place_of
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


def concerns(push: Push, source: str, found: Repository | None = None) -> bool:
    """Whether the base with this source may have changed: the same repository and branch (or tag), and a
    touched path below its own, by whole segments. ``found`` is the repository that was last read there: it is
    the same if GitHub's number is, or the name, after it was renamed."""
    try:
        location = parse_source(source)
    except PermanentError:
        return False
    if isinstance(location, GitHubLocation):
        named = f"{location.host}/{location.owner}/{location.repository}"
        branch = location.branch
    elif isinstance(location, GitLocation):
        named = place_of(location.url)
        branch = location.branch or push.default_branch
    else:
        return False
    names = {named.casefold(), found.name.casefold() if found else ""}
    is_same = found is not None and found.id is not None and found.id == push.repository_id
    is_same = is_same and named.startswith(f"{push.host}/")  # each host has numbers of its own
    if not is_same and f"{push.host}/{push.repository}".casefold() not in names:
        return False
    if push.ref not in (_BRANCH + branch, _TAG + branch):
        return False
    return push.paths is None or any(below(path, location.path) for path in push.paths)

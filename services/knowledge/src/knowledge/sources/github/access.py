"""GitHub's addresses, who may see the token, the last answers, and when the rate limit renews."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from common.errors import Forbidden
from knowledge.sources.location import GITHUB, GitHubLocation
from knowledge.waiting.later import LONGEST_SECONDS, RateLimited
from knowledge.web.address import Origin, canonical_url, origin_of
from knowledge.web.fetching import Fetched

PUBLIC_API = "https://api.github.com"
PUBLIC_RAW = "https://raw.githubusercontent.com"
REMEMBERED = 2_000
"""Answers kept for conditional requests, one for each source: a commit's JSON, some kilobytes."""

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True, frozen=True)
class GitHubSite:
    """One GitHub. ``raw_url`` is empty if contents come from the API, by blob."""

    api_url: str
    raw_url: str
    token: str | None = None
    token_origins: frozenset[Origin] = frozenset()

    def secrets(self, url: str) -> Mapping[str, str]:
        """The token, only for the hosts that the settings name, even after redirects."""
        if self.token and origin_of(url) in self.token_origins:
            return {"Authorization": f"Bearer {self.token}"}
        return {}


@dataclass(slots=True)
class GitHubAccess:
    """The GitHub of the settings: github.com's API or an Enterprise's (``…/api/v3``, ``api.<name>.ghe.com``).

    Sources on github.com use the API of the settings too, unless that is an Enterprise's. Then they are read
    from github.com, without the token.
    """

    api_url: str = PUBLIC_API
    raw_url: str = PUBLIC_RAW
    token: str | None = None
    _answers: "OrderedDict[Key, tuple[str, Any]]" = field(default_factory=OrderedDict)
    _limited_until: dict[str, float] = field(default_factory=dict)

    def trusted_urls(self) -> tuple[str, ...]:
        """The operator's own addresses, which may be private."""
        return (self.api_url, self.raw_url)

    def hosts(self) -> frozenset[str]:
        """The hosts whose repositories can be asked for."""
        return frozenset((GITHUB, _web_host(self.api_url)))

    def site_of(self, location: GitHubLocation) -> GitHubSite:
        """Raises ``Forbidden`` for a host other than that of the settings."""
        host = _web_host(self.api_url)
        enterprise = host != GITHUB and (
            urlsplit(self.api_url).path.rstrip("/").endswith("/api/v3") or host.endswith(".ghe.com")
        )
        if location.host == GITHUB and enterprise:
            return GitHubSite(PUBLIC_API, PUBLIC_RAW)
        if location.host not in (GITHUB, host):
            raise Forbidden(
                f"{location.host} is not the GitHub of GITHUB_API_URL; any Git remote can be read as "
                "git+https://<host>/<repository>#<branch>:<path>",
                code="source_not_allowed",
            )
        # raw.githubusercontent.com knows no other API's repositories, and must not see its token.
        raw = "" if self.api_url != PUBLIC_API and self.raw_url == PUBLIC_RAW else self.raw_url
        origins = frozenset(origin_of(url) for url in (self.api_url, raw) if url)
        return GitHubSite(self.api_url, raw, self.token, origins)

    def remembered(self, key: Key) -> tuple[str, Any] | None:
        """ETag and JSON of the last answer."""
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key]

    def remember(self, key: Key, etag: str, value: Any) -> None:
        self._answers[key] = (etag, value)
        self._answers.move_to_end(key)
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def check_limit(self, site: GitHubSite) -> None:
        """Raises ``RateLimited`` while the site's rate limit is known to be used up, which saves the call."""
        wait = self._limited_until.get(site.api_url, 0) - time.time()
        if wait > 0:
            raise RateLimited("GitHub's rate limit", wait)

    def note_limit(self, site: GitHubSite, answer: Fetched) -> None:
        """Remember when the rate limit that ``answer`` used up renews."""
        if answer.headers.get("x-ratelimit-remaining") != "0":
            return
        try:
            reset = float(answer.headers.get("x-ratelimit-reset", "0"))
        except ValueError:
            return
        self.limit(site, reset)

    def limit(self, site: GitHubSite, until: float) -> None:
        """Don't call the site until then (seconds since the epoch), for an hour at most."""
        self._limited_until[site.api_url] = min(until, time.time() + LONGEST_SECONDS)


def _web_host(api_url: str) -> str:
    """The host (with a non-default port) that people see: ``api.github.com`` → ``github.com``."""
    return urlsplit(canonical_url(api_url)).netloc.removeprefix("api.")

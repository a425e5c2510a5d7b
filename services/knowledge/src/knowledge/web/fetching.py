"""HTTP on a user's behalf: each hop is checked, answers are bounded, credentials stay with their host."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpx

from common.errors import Invalid, TransientError
from knowledge.waiting.later import RateLimited
from knowledge.web.address import canonical_url, origin_of, place, site_of
from knowledge.web.guarded_network import (
    AddressRefused,
    GuardedTransport,
    Resolve,
    checked_addresses,
    resolve,
)
from knowledge.web.public_addresses import is_public
from knowledge.web.retries import Retries, send
from knowledge.web.unpacking import ContentEncoding, CutOff, Damaged, TooLong
from servicekit.tls import trusted_certificates

USER_AGENT = "takaro-knowledge"
MAX_REDIRECTS = 5
DEADLINE_SECONDS = 120.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class TooLarge(Exception):
    """An answer exceeds its limit."""


@dataclass(slots=True, frozen=True)
class Access:
    """The hosts that an operator trusts, in ``canonical_place``'s form. ``allowed_hosts``: ``host`` or
    ``host:port`` that may be private. ``trusted_urls``: addresses that settings name (GitHub's API).
    ``credentials``: ``user:password`` by ``host`` or ``host:port``, sent there only."""

    allowed_hosts: frozenset[str] = frozenset()
    trusted_urls: tuple[str, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Fetched:
    """The answer after redirects. ``url`` is its final address; names in ``headers`` are case-insensitive."""

    status: int
    url: str
    headers: httpx.Headers
    content: bytes

    @property
    def text(self) -> str:
        """The content as UTF-8; other bytes become U+FFFD."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The content as JSON. Raises ``TransientError`` if it isn't JSON: a gateway's page, a truncated
        answer."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise TransientError(f"GET {self.url}: the answer isn't JSON") from error


class Fetcher:
    """GETs URLs. Hosts that the operator trusts are fetched through ``http`` (and a proxy of the
    environment); all others directly, at public addresses only. Close it at the end."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        access: Access,
        retries: Retries | None = None,
        *,
        resolver: Resolve = resolve,
        allowed_address: Callable[[str], bool] = is_public,
    ) -> None:
        self._http, self._access, self.retries = http, access, retries or Retries()
        self._resolver, self._allowed_address = resolver, allowed_address
        self._limited: dict[str, RateLimited] = {}
        self._trusted = {origin_of(url) for url in access.trusted_urls if url}
        self._guarded = httpx.AsyncClient(
            transport=GuardedTransport(resolver, allowed_address),
            timeout=30,
            follow_redirects=False,
            verify=trusted_certificates(),
        )

    async def close(self) -> None:
        await self._guarded.aclose()

    def trusts(self, url: str) -> bool:
        """Whether the operator has named the URL's host."""
        _, host, port = origin = origin_of(url)
        allowed = self._access.allowed_hosts
        return origin in self._trusted or host in allowed or place(host, port) in allowed

    def authorization(self, url: str) -> str | None:
        """``Authorization`` for the URL's host, if the operator has set one. Over plain HTTP only to a host
        that is also trusted."""
        scheme, host, port = origin_of(url)
        credential = self._access.credentials.get(place(host, port), self._access.credentials.get(host))
        if credential is None or (scheme != "https" and not self.trusts(url)):
            return None
        return "Basic " + base64.b64encode(credential.encode()).decode()

    async def addresses(self, url: str) -> list[str]:
        """The checked addresses of the URL's host, for a program that connects by itself; empty if the
        operator trusts the host. Raises :class:`AddressRefused`, and ``TransientError`` for an unknown host.
        """
        if self.trusts(url):
            return []
        _, host, port = origin_of(url)
        try:
            return list(await checked_addresses(host, port, self._resolver, self._allowed_address))
        except (OSError, UnicodeError) as error:
            raise TransientError(f"{host}: {error}") from error

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        secrets: Callable[[str], Mapping[str, str]] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Fetched:
        """GET ``url``, following redirects, with at most ``max_bytes`` of content. The answer's URL is
        canonical.

        ``secrets`` returns the headers for one hop by its URL, so that a token goes to its own host only.
        Without it the credentials of the settings are used. Raises :class:`AddressRefused`, ``Invalid`` for
        another scheme, :class:`TooLarge`, and ``TransientError`` after retries. The caller checks the status.
        """
        url = canonical_url(url)
        if params:
            url = str(httpx.URL(url).copy_merge_params(dict(params)))
        for _ in range(MAX_REDIRECTS + 1):
            hop = await self._hop(url, max_bytes, dict(headers or {}), secrets or self._credentials)
            location = hop.headers.get("location")
            if hop.status not in _REDIRECTS or not location:
                return hop
            url = canonical_url(urljoin(url, location))
        raise Invalid(f"GET {url}: more than {MAX_REDIRECTS} redirects", code="source_refused")

    def _check_limit(self, site: str) -> None:
        """Raises ``RateLimited`` during a pause that the site asked for."""
        now = time.time()
        self._limited = {site: limited for site, limited in self._limited.items() if limited.until > now}
        if limited := self._limited.get(site):
            raise limited.again()

    def _credentials(self, url: str) -> Mapping[str, str]:
        authorization = self.authorization(url)
        return {"Authorization": authorization} if authorization else {}

    async def _hop(
        self,
        url: str,
        max_bytes: int,
        headers: dict[str, str],
        secrets: Callable[[str], Mapping[str, str]],
    ) -> Fetched:
        client = self._http if self.trusts(url) else self._guarded
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **headers, **secrets(url)}

        async def request() -> httpx.Response:
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await _bounded(client, url, sent, max_bytes)
            except TimeoutError as error:
                raise httpx.ReadTimeout(f"no whole answer within {DEADLINE_SECONDS:g} s") from error

        site = site_of(url)
        self._check_limit(site)
        try:
            response = await send(request, what=f"GET {url}", site=site, retries=self.retries)
        except RateLimited as limited:
            self._limited[site] = limited
            raise
        return Fetched(response.status_code, url, response.headers, response.content)


async def _bounded(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], max_bytes: int
) -> httpx.Response:
    """One request. Its body is read here, so that the deadline covers it."""
    try:
        request = client.build_request("GET", url, headers=headers)
    except httpx.InvalidURL as error:
        raise Invalid(f"{url!r} isn't a URL: {error}", code="invalid_source") from error
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        # Unpacked here, because httpx accepts a truncated gzip, and one member of several, as complete.
        encoding = ContentEncoding(response.headers.get("content-encoding", ""), max_bytes)
        body = bytearray()
        async for part in response.aiter_raw():
            body += encoding.feed(part)
            if len(body) > max_bytes:
                raise TooLong
        if response.num_bytes_downloaded:
            encoding.finish()
    except TooLong as error:
        raise TooLarge(f"GET {url}: the answer is larger than {max_bytes:,} bytes") from error
    except CutOff as error:
        raise httpx.RemoteProtocolError(f"the answer is cut off: {error}") from error
    except Damaged as error:
        raise httpx.RemoteProtocolError(f"the answer is damaged: {error}") from error
    finally:
        await response.aclose()
    kept = [
        (name, value)
        for name, value in response.headers.raw  # in bytes: a server may have sent any
        if name.lower() not in (b"content-encoding", b"content-length", b"transfer-encoding")
    ]
    return httpx.Response(response.status_code, headers=kept, content=bytes(body), request=request)


__all__ = ["Access", "AddressRefused", "Fetched", "Fetcher", "TooLarge"]

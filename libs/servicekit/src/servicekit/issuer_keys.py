"""The public keys of a token issuer, from its JWKS URL.

A known key never waits for a fetch. The process runs one fetch at a time and pauses after each, so tokens
with invented key ids cost the issuer nothing. A key set is discarded :data:`LIFETIME_SECONDS` after its
fetch, and with it every key that the issuer has withdrawn. A set in use is refreshed before that, in the
background.
"""

import asyncio
import time
from typing import Any

import httpx
import jwt
import structlog

from common import backoff, codec
from common.errors import NotAuthenticated, TransientError

log = structlog.get_logger()

LIFETIME_SECONDS = 300.0
REFRESH_SECONDS = 150.0
"""Age at which a set in use is refreshed: early enough to survive a short outage of the issuer."""

COOLDOWN_SECONDS = 10.0
"""Pause after a fetch. With failures in a row it grows from a tenth of this to three times as much."""

FETCH_SECONDS = 5.0
MAX_BYTES = 512 * 1024
MAX_KEYS = 100


class IssuerKeys:
    """Keys by their id. Fetches with ``http``, which must not follow redirects by default."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url, self._http = url, http
        self._keys: list[jwt.PyJWK] = []
        self._fetched_at = self._next_at = float("-inf")
        self._failures = self._fetches = 0
        self._fetching: asyncio.Task[None] | None = None

    async def key_of(self, token: str) -> jwt.PyJWK:
        """The key that signed ``token``, according to its header.

        Raises :class:`NotAuthenticated` for a key that the issuer doesn't have, :class:`TransientError` if
        the issuer can't be reached, and ``jwt.PyJWTError`` for an invalid token.
        """
        kid = jwt.get_unverified_header(token).get("kid")
        found = self._find(kid)
        if found is not None:
            if self._age() > REFRESH_SECONDS and self._may_fetch():
                self._fetch()
            return found
        if self._fetching is not None or self._may_fetch():
            await asyncio.shield(self._fetch())
            found = self._find(kid)
            if found is not None:
                return found
        if self._failures:
            raise TransientError("The issuer's keys can't be fetched")
        raise NotAuthenticated("Not authenticated")

    def fetched(self) -> int:
        """The number of the key set in use; 0 for none. A set in use is refreshed in time."""
        age = self._age()
        if age > LIFETIME_SECONDS:
            return 0
        if age > REFRESH_SECONDS and self._may_fetch():
            self._fetch()
        return self._fetches

    def _find(self, kid: object) -> jwt.PyJWK | None:
        if self._age() > LIFETIME_SECONDS:
            return None
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        named = next((key for key in self._keys if key.key_id == kid), None)
        # An issuer with one key needn't name it.
        unnamed = [key for key in self._keys if key.key_id is None]
        return named or (unnamed[0] if len(unnamed) == len(self._keys) == 1 else None)

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    def _may_fetch(self) -> bool:
        return time.monotonic() >= self._next_at

    def _fetch(self) -> "asyncio.Task[None]":
        """The fetch in flight, or a new one."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_once())
        return self._fetching

    async def _fetch_once(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                document = await self._read()
            keys = await asyncio.to_thread(signing_keys, document)
            self._keys, self._fetched_at, self._failures = keys, time.monotonic(), 0
            self._fetches += 1
            pause = COOLDOWN_SECONDS
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            self._failures += 1
            pause = backoff.pause(self._failures, first=COOLDOWN_SECONDS / 10, longest=3 * COOLDOWN_SECONDS)
            log.warning("the issuer's keys can't be fetched", error=repr(error), again_in_seconds=pause)
        finally:
            self._fetching = None
        self._next_at = time.monotonic() + pause

    async def _read(self) -> bytes:
        async with self._http.stream("GET", self._url, follow_redirects=True) as response:
            response.raise_for_status()
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"the key set is over {MAX_BYTES} bytes")
        return bytes(body)


def signing_keys(document: bytes) -> list[jwt.PyJWK]:
    """The keys of a JWKS that can verify signatures, without those of unknown kinds.

    Raises ``ValueError`` if it isn't a key set, or has no such key.
    """
    found: Any = codec.loads(document)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError(f"the answer is not a key set of at most {MAX_KEYS} keys")
    keys = []
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") == "oct":
            continue
        try:
            keys.append(jwt.PyJWK(entry))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue  # a kind or a curve that PyJWT doesn't know
    if not keys:
        raise ValueError("the key set has no key that verifies signatures")
    return keys

"""Remembers users' registration tokens, and says whether a server can connect."""

import asyncio

import httpx

from cockpit.settings import CockpitSettings
from cockpit.tokens import repository
from cockpit.tokens.sealing import Sealer
from cockpit.tokens.takaro_me import fetch_token
from common.postgres import Connection, Pool

CALLS_AT_ONCE = 8
"""Calls of Takaro's ``/me`` under way at a time; others wait."""


class Tokens:
    """The registration tokens with which mock servers connect to Takaro.

    ``TAKARO_REGISTRATION_TOKEN`` counts for everybody. Without it, and with ``COCKPIT_SECRET_KEY``, each
    user's is that of their domain, kept encrypted.
    """

    def __init__(self, settings: CockpitSettings) -> None:
        token, key = settings.takaro_registration_token, settings.cockpit_secret_key
        self._connects = settings.connect_url() is not None
        self._asking = asyncio.Semaphore(CALLS_AT_ONCE)
        self._api_url = settings.takaro_api_url
        self._shared = token.get_secret_value() if token else None
        self._sealer = Sealer(key.get_secret_value()) if key and not token else None

    async def remember(self, pool: Pool, http: httpx.AsyncClient, user_id: str, cookie: bytes) -> None:
        """Keep the token of the user's domain, if Takaro knows the ``Cookie`` header as theirs and gives
        one."""
        if not self._connects or self._sealer is None or self._api_url is None or not cookie:
            return
        async with self._asking:
            token = await fetch_token(http, self._api_url, cookie, user_id)
        if token is not None:
            async with pool.acquire() as connection:
                await repository.upsert_registration(connection, user_id, self._sealer.seal(token))

    async def can_connect(self, connection: Connection, user_id: str) -> bool:
        """Whether there is an address to connect to, and a token for this user."""
        return self._connects and await self._token(connection, user_id) is not None

    async def token_of(self, pool: Pool, user_id: str) -> str | None:
        """The token for this user's server; None if there is none, or the key has changed."""
        async with pool.acquire() as connection:
            return await self._token(connection, user_id)

    async def _token(self, connection: Connection, user_id: str) -> str | None:
        if self._shared is not None or self._sealer is None:
            return self._shared
        sealed = await repository.get_registration(connection, user_id)
        return self._sealer.open(sealed) if sealed is not None else None

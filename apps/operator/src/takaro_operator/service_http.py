"""A service over HTTP, as the commands call it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
from pydantic import SecretStr

from common.settings import LOOPBACK
from takaro_operator.errors import Failure, Refusal

TIMEOUT_SECONDS = 60.0
"""A search can wait for the embeddings provider, a deletion for a sync's last transaction."""


class ServiceClient:
    """Calls as ``user`` (``AUTH_MODE=dev``) with ``scope``, else with ``token``. An async context manager.

    ``root`` is the path that all calls begin with; ``setting`` names what to correct if the service can't be
    reached. Raises :class:`Refusal` when there is neither a user nor a token.
    """

    def __init__(
        self,
        service: str,
        url: str,
        root: str,
        *,
        user: str | None,
        token: SecretStr | None,
        setting: str,
        scope: str = "",
    ) -> None:
        if user:
            headers = {"X-User-Id": user} | ({"X-Scope": scope} if scope else {})
        elif token:
            headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        else:
            option = f" --scope {scope}" if scope else ""
            raise Refusal(
                f"no credentials: set TAKARO_TOKEN (`takaro token USER{option}` makes one), or give "
                "--user if the services run with AUTH_MODE=dev"
            )
        self._service, self._url, self._root, self._setting = service, url, root, setting
        # A proxy that the environment names can't reach this machine's loopback.
        local = (urlsplit(url).hostname or "") in LOOPBACK
        self._http = httpx.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=not local)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(self, method: str, *parts: str | None, json: Any = None, **params: Any) -> Any:
        """The ``data`` of the answer. Raises as :meth:`body`."""
        body = await self.body(method, *parts, json=json, query=params)
        return body.get("data", body)

    async def body(
        self,
        method: str,
        *parts: str | None,
        json: Any = None,
        content: AsyncIterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The whole JSON of the answer. Raises :class:`Refusal` if the service refuses the call, and
        :class:`Failure` if it fails, finds nothing or can't be reached."""
        try:
            answer = await self._http.request(
                method,
                self._url_of(parts),
                json=json,
                content=content,
                headers=headers,
                params=query or None,
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if not answer.is_success:
            raise _explained(answer, self._url)
        return _json_of(answer)

    @asynccontextmanager
    async def streamed(
        self, *parts: str | None, query: Mapping[str, Any] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer to a GET, piece by piece as it comes. Raises as :meth:`body`."""
        try:
            async with self._http.stream("GET", self._url_of(parts), params=query or None) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _explained(answer, self._url)
                yield answer.aiter_bytes()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _url_of(self, parts: Sequence[str | None]) -> str:
        quoted = [quote(part, safe="") for part in parts if part is not None]
        return "/".join([f"{self._url}{self._root}", *quoted])

    def _unreachable(self, error: httpx.HTTPError) -> Failure:
        return Failure(
            f"the {self._service} service at {self._url} doesn't answer "
            f"({error or type(error).__name__}): is it running, and is {self._setting} right?"
        )


def _json_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": f"HTTP {answer.status_code}"}


def _explained(answer: httpx.Response, url: str) -> Failure:
    status, body = answer.status_code, _json_of(answer)
    message = str(body.get("error") or f"HTTP {status}")
    details = body.get("details")
    if isinstance(details, dict):
        message += "".join(f"; {field}: {', '.join(map(str, said))}" for field, said in details.items())
    if status == 401:
        message += f": {url} doesn't accept these credentials (TAKARO_TOKEN; --user only with AUTH_MODE=dev)"
    after = answer.headers.get("retry-after", "")
    kind = Failure if status >= 500 or status == 404 else Refusal
    return kind(message, http_status=status, retry_after=float(after) if after.isdecimal() else None)

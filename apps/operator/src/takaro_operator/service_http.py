"""A service over HTTP, as the commands call it."""

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
        """The ``data`` of the answer. Raises :class:`Refusal` if the service refuses the call, and
        :class:`Failure` if it fails, finds nothing or can't be reached."""
        quoted = [quote(part, safe="") for part in parts if part is not None]
        url = "/".join([f"{self._url}{self._root}", *quoted])
        try:
            answer = await self._http.request(method, url, json=json, params=params or None)
        except httpx.HTTPError as error:
            raise Failure(
                f"the {self._service} service at {self._url} doesn't answer "
                f"({error or type(error).__name__}): is it running, and is {self._setting} right?"
            ) from error
        body = _json_of(answer)
        if answer.is_success:
            return body.get("data", body)
        raise _explained(answer.status_code, body, self._url)


def _json_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": f"HTTP {answer.status_code}"}


def _explained(status: int, body: dict[str, Any], url: str) -> Failure:
    message = str(body.get("error") or f"HTTP {status}")
    details = body.get("details")
    if isinstance(details, dict):
        message += "".join(f"; {field}: {', '.join(map(str, said))}" for field, said in details.items())
    if status == 401:
        message += f": {url} doesn't accept these credentials (TAKARO_TOKEN; --user only with AUTH_MODE=dev)"
    return (Failure if status >= 500 or status == 404 else Refusal)(message)

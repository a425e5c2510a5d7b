"""The knowledge service over HTTP, for ``takaro kb``."""

from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.settings import LOOPBACK
from takaro_operator.errors import Failure, Refusal

TIMEOUT_SECONDS = 60.0
"""A search can wait for the embeddings provider, a deletion for a sync's last transaction."""


class KnowledgeAddress(BaseSettings):
    """Where the service is and the caller's token, from the environment and ``.env``."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    knowledge_url: str = Field(
        "", description="URL of the knowledge service; defaults to KNOWLEDGE_PORT on this machine"
    )
    knowledge_port: int = Field(3102, description="KNOWLEDGE_PORT")
    token: SecretStr | None = Field(None, validation_alias="TAKARO_TOKEN", description="a bearer token")

    @property
    def url(self) -> str:
        return (self.knowledge_url or f"http://127.0.0.1:{self.knowledge_port}").rstrip("/")


class KnowledgeClient:
    """Calls as ``user`` (``AUTH_MODE=dev``), else with ``TAKARO_TOKEN``. An async context manager.

    Raises :class:`Refusal` when there is neither.
    """

    def __init__(self, user: str | None) -> None:
        address = KnowledgeAddress()
        if user:
            headers = {"X-User-Id": user}
        elif address.token:
            headers = {"Authorization": f"Bearer {address.token.get_secret_value()}"}
        else:
            raise Refusal(
                "no credentials: set TAKARO_TOKEN (`takaro token USER` makes one), or give --user if the "
                "services run with AUTH_MODE=dev"
            )
        self._url = address.url
        # A proxy that the environment names can't reach this machine's loopback.
        local = (urlsplit(self._url).hostname or "") in LOOPBACK
        self._http = httpx.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=not local)

    async def __aenter__(self) -> "KnowledgeClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(
        self, method: str, base_id: str | None = None, *rest: str, json: Any = None, **params: Any
    ) -> Any:
        """The ``data`` of the answer. Raises :class:`Refusal` if the service refuses the call, and
        :class:`Failure` if it fails, finds nothing or can't be reached."""
        parts = [quote(part, safe="") for part in (base_id, *rest) if part is not None]
        url = "/".join([f"{self._url}/api/knowledge-bases", *parts])
        try:
            answer = await self._http.request(method, url, json=json, params=params or None)
        except httpx.HTTPError as error:
            raise Failure(
                f"the knowledge service at {self._url} doesn't answer ({error or type(error).__name__}): is "
                "it running, and is KNOWLEDGE_URL right?"
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

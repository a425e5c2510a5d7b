"""Whether a service answers as its OpenAPI document says: every answer to a test's client is compared."""

import re
from http import HTTPStatus
from typing import Any

import httpx
import jsonschema
from referencing import Registry, Resource

from common import codec


class Declared:
    """The document of one service, read from the service when the first answer comes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._document: dict[str, Any] | None = None
        self._registry: Registry[Any] = Registry()

    async def check(self, response: httpx.Response) -> None:
        """Fails for a status or a form that the operation doesn't declare. Unknown paths and methods, and
        bodies that are streamed, are passed over."""
        operation = await self._operation(response.request)
        if operation is None:
            return
        declared = operation["responses"].get(str(response.status_code))
        where = f"{response.request.method} {response.request.url.path}: {response.status_code}"
        assert declared is not None, f"{where} is not declared"
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            assert "content" not in declared, f"{where} has no body"
            return
        kind = response.headers.get("content-type", "").partition(";")[0]
        assert kind in declared["content"], f"{where}: {kind} is not declared"
        if kind == "application/json" and "content-length" in response.headers:
            schema = declared["content"][kind]["schema"]
            jsonschema.Draft202012Validator(absolute(schema), registry=self._registry).validate(
                codec.loads(await response.aread())
            )

    async def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        if not request.url.path.startswith("/api/") or not str(request.url).startswith(self._url):
            return None
        if self._document is None:
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                self._document = (await client.get(f"{self._url}/openapi.json")).json()
            self._registry = Registry().with_resource("doc:", Resource.opaque(self._document))
        raw = request.url.raw_path.decode().partition("?")[0].rstrip("/")
        for template, operations in self._document["paths"].items():
            # A compound agent's id holds a slash.
            pattern = re.sub(r"\\\{agentId\\\}$", "(.+)", re.escape(template))
            if re.fullmatch(re.sub(r"\\\{\w+\\\}", "([^/]+)", pattern), raw):
                found: dict[str, Any] | None = operations.get(request.method.lower())
                return found
        return None


def absolute(value: Any) -> Any:
    """``value`` with references to the whole document, which isn't itself the schema, at ``doc:``."""
    if isinstance(value, list):
        return [absolute(item) for item in value]
    if isinstance(value, dict):
        return {key: f"doc:{item}" if key == "$ref" else absolute(item) for key, item in value.items()}
    return value

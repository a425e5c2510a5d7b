"""Whether a service answers as its OpenAPI document says: every answer to a test's client is compared."""

import re
from collections.abc import Hashable
from http import HTTPStatus
from typing import Any

import httpx
import jsonschema
from referencing import Registry, Resource

from common import codec
from tests.support.plain_http import NO_TLS

_DOCUMENTS: dict[Hashable, "Document"] = {}


class Document:
    """What a kind of service declares: a validator for each form of an answer."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._patterns = [(_pattern(path), operations) for path, operations in content["paths"].items()]
        self._registry: Registry[Any] = Registry().with_resource("doc:", Resource.opaque(content))
        self._validators: dict[int, jsonschema.Draft202012Validator] = {}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that answers the request, or None."""
        for pattern, operations in self._patterns:
            if pattern.fullmatch(path):
                found: dict[str, Any] | None = operations.get(method.lower())
                return found
        return None

    def validator(self, schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
        """For ``schema``, a part of the document."""
        if id(schema) not in self._validators:
            self._validators[id(schema)] = jsonschema.Draft202012Validator(
                absolute(schema), registry=self._registry
            )
        return self._validators[id(schema)]


class Declared:
    """The document of one service, read from the first of its ``kind`` when the first answer comes."""

    def __init__(self, url: str, kind: Hashable) -> None:
        """Services of one ``kind`` have the same document."""
        self._url, self._kind = url, kind

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
            document = await self._document()
            document.validator(declared["content"][kind]["schema"]).validate(
                codec.loads(await response.aread())
            )

    async def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        if not request.url.path.startswith("/api/") or not str(request.url).startswith(self._url):
            return None
        path = request.url.raw_path.decode().partition("?")[0].rstrip("/")
        return (await self._document()).operation(request.method, path)

    async def _document(self) -> Document:
        if self._kind not in _DOCUMENTS:
            async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as client:
                content = (await client.get(f"{self._url}/openapi.json")).json()
            _DOCUMENTS[self._kind] = Document(content)
        return _DOCUMENTS[self._kind]


def _pattern(template: str) -> re.Pattern[str]:
    # A compound agent's id holds a slash.
    pattern = re.sub(r"(?<=by\\-agent/)\\\{agentId\\\}$", "(.+)", re.escape(template))
    return re.compile(re.sub(r"\\\{\w+\\\}", "([^/]+)", pattern))


def absolute(value: Any) -> Any:
    """``value`` with references to the whole document, which isn't itself the schema, at ``doc:``."""
    if isinstance(value, list):
        return [absolute(item) for item in value]
    if isinstance(value, dict):
        return {key: f"doc:{item}" if key == "$ref" else absolute(item) for key, item in value.items()}
    return value

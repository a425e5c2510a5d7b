"""HTTP answers in the existing system's form: ``{"data": …}`` or ``{"error": "message"}``, JSON in
camelCase."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from common import codec
from common.errors import Invalid


class Body(BaseModel):
    """Base of request bodies: camelCase, no coercion of strings to numbers, NaN and infinity refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", strict=True, allow_inf_nan=False
    )


def without_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a body's JSON Schema."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Change(Body):
    """Base of bodies whose absent fields change nothing. OpenAPI names no defaults of theirs: a generated
    client would send them."""

    model_config = ConfigDict(json_schema_extra=without_defaults)


class JSONAnswer(Response):
    """A response encoded with the shared JSON encoder."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return codec.dumps(content)


def data(value: Any, *, status: int = 200) -> JSONAnswer:
    """``{"data": value}``. ``value`` consists of dicts, lists, dataclasses, UUIDs and dates."""
    return JSONAnswer({"data": value}, status_code=status)


def failure(message: str, status: int, **more: Any) -> JSONAnswer:
    """``{"error": message}`` with optional further fields."""
    return JSONAnswer({"error": message, **more}, status_code=status, headers=_HEADERS.get(status))


_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    408: {"Connection": "close"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}


def require_storable(fields: Sequence[tuple[str, str | None]]) -> None:
    """Refuse query and path texts that Postgres can't store. Raises :class:`Invalid`."""
    for name, value in fields:
        if value is not None and "\x00" in value:
            raise Invalid("Validation failed", details={name: ["U+0000 can't be stored"]})

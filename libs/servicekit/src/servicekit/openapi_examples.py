"""Examples in OpenAPI, put together from those that fields name, so that every body and answer has one."""

from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "uuid": "0190b5a0-0000-7000-8000-000000000001",
    "date-time": "2026-11-28T12:00:00.000Z",
    "date": "2026-11-28",
    "time": "12:00:00Z",
    "email": "ann@example.com",
    "uri": "https://example.com/",
}
_TEXT = "text"
_DEPTH = 8
"""A form that holds itself has an example of so many levels."""


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = _DEPTH) -> Any:
    """A value of this JSON Schema: what its fields name as examples or defaults, else the shortest that fits.
    ``schemas`` are the document's components, which references lead to."""
    if name := str(schema.get("$ref", "")).removeprefix("#/components/schemas/"):
        return example_of(schemas[name], schemas, depth)
    for named in ("examples", "enum"):
        if schema.get(named):
            return schema[named][0]
    for named in ("example", "const", "default"):
        if schema.get(named) is not None:
            return schema[named]
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if schema.get(alternatives):
            return example_of(schema[alternatives][0], schemas, depth)
    return _of_type(schema, schemas, depth)


def _of_type(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        fields: Mapping[str, Any] = schema.get("properties", {}) if depth else {}
        return {name: example_of(field, schemas, depth - 1) for name, field in fields.items()}
    if kind == "array":
        if not depth or "items" not in schema or schema.get("maxItems") == 0:
            return []
        return [example_of(schema["items"], schemas, depth - 1)]
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    if kind == "string":
        text: str = _FORMATS.get(schema.get("format", ""), _TEXT)
        return text.ljust(schema.get("minLength", 0), "x")
    return True if kind == "boolean" else None

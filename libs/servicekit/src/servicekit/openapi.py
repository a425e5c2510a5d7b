"""What OpenAPI says of a service: every answer and error with its form, and who must say who is asking.

An answer's form is the ``TypedDict`` that the function in ``wire.py`` returns, so that the type checker holds
the two together; tests compare every answer that they get with this document.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter

from servicekit.error_answers import CODE, TRACE_ID
from servicekit.forms import Data, FailureJson, Listed
from servicekit.idempotency import HEADER, KEY_PATTERN, MAX_KEY
from servicekit.openapi_examples import example_of
from servicekit.openapi_security import schemes_of
from servicekit.origins import READING
from servicekit.routing import needs_caller

_GENERAL = {
    400: "The request is wrong: `details` names each field.",
    401: "The caller is unknown: no credentials, or they are invalid or expired.",
    403: "The credential is a cookie, and the request's `Origin` is neither this service's nor listed.",
    408: "The request came too slowly.",
    413: "The body is too large.",
    503: "Something that the service needs is away: try again after `Retry-After` seconds.",
}
_EXAMPLES: Mapping[int, Mapping[str, Any]] = {
    400: {"error": "Validation failed", "details": {"limit": ["Input should be a valid integer"]}},
    401: {"error": "Not authenticated"},
    403: {"error": "Forbidden"},
}
"""Refusals that look alike everywhere; others have their description."""
_FAILURE_HEADERS: Mapping[str, Any] = {
    CODE: {
        "description": "What it is in one word, for programs.",
        "schema": {"type": "string", "examples": ["not_found"]},
    },
    TRACE_ID: {
        "description": "The request's trace, for whoever looks into it.",
        "schema": {"type": "string", "examples": ["4bf92f3577b34da6a3ce929d0e0e4736"]},
    },
}
_RETRY_AFTER: Mapping[str, Any] = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "examples": ["1"]}}
}
_CHALLENGE: Mapping[str, Any] = {"WWW-Authenticate": {"schema": {"type": "string", "examples": ["Bearer"]}}}
_MORE_HEADERS: Mapping[int, Mapping[str, Any]] = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}

_OF_KEYS = {
    400: _GENERAL[400],
    408: _GENERAL[408],
    409: f"A request with this `{HEADER}` still runs.",
    413: f"The body is too large, or the answer is too large to be kept for the `{HEADER}`.",
    422: f"The `{HEADER}` was used for another path, query or body.",
}
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Makes the request safe to retry: sent again with the same key within a day, it has no "
    "further effect and gets the same answer. Keys are the caller's own.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": KEY_PATTERN},
}

SCHEMES = "x-security-schemes"
"""In a route's ``openapi_extra``: security schemes of its own, by name, which its ``security`` then names."""

_NONE: Mapping[int, str] = {}
_PLAIN: Mapping[str, Any] = {}
_WRAPPERS = ("Data_", "Listed_")


def answering(
    form: Any, *, status: int = 200, errors: Mapping[int, str] = _NONE, headers: Mapping[str, Any] = _PLAIN
) -> dict[str, Any]:
    """Arguments of a route that answers ``{"data": …}`` in this form. ``errors`` are those of its own, by
    status; the general ones are added to each route. ``headers`` are those of the answer, as OpenAPI has
    them."""
    return answering_bare(Data[form], status=status, errors=errors, headers=headers)


def answering_list(item: Any, *, errors: Mapping[int, str] = _NONE) -> dict[str, Any]:
    """As :func:`answering`, for a list of ``item``, with ``meta`` beside it."""
    return answering_bare(Listed[item], errors=errors)


def answering_bare(
    form: Any, *, status: int = 200, errors: Mapping[int, str] = _NONE, headers: Mapping[str, Any] = _PLAIN
) -> dict[str, Any]:
    """As :func:`answering`, without ``data`` around it."""
    answer = {"model": form, "description": HTTPStatus(status).phrase}
    declared: dict[int, Any] = {status: answer | ({"headers": dict(headers)} if headers else {})}
    return {"status_code": status, "responses": declared | _failures(errors)}


def answering_text(
    media_type: str, description: str, example: str, *, errors: Mapping[int, str] = _NONE
) -> dict[str, Any]:
    """Arguments of a route that answers in text."""
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    declared: dict[int, Any] = {200: {"description": description, "content": content}}
    return {"status_code": 200, "responses": declared | _failures(errors)}


def refusing(status: int, description: str, form: Any) -> dict[int, Any]:
    """What a route says of a refusal whose answer has more than ``error``: to add to its ``responses``."""
    headers = {**_FAILURE_HEADERS, **_MORE_HEADERS.get(status, {})}
    return {status: {"model": form, "description": description, "headers": headers}}


def _failures(errors: Mapping[int, str]) -> dict[int, Any]:
    return {code: _failure(code, text) for code, text in errors.items()}


def _failure(code: int, text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/FailureJson"}
    example = _EXAMPLES.get(code, {"error": text})
    return {
        "description": text,
        "headers": {**_FAILURE_HEADERS, **_MORE_HEADERS.get(code, {})},
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def describe(app: FastAPI, auth_mode: str) -> None:
    """Make ``app`` tell its whole API at ``/openapi.json``."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, auth_mode)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI, auth_mode: str) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of a 422, never sent
        schemas.pop(unused, None)
    schemas["FailureJson"] = TypeAdapter(FailureJson).json_schema()
    schemes = components["securitySchemes"] = schemes_of(auth_mode)
    ways: list[dict[str, list[str]]] = [{name: []} for name in schemes]
    names: set[str] = set()
    for context in iter_route_contexts(app.routes):
        operations = found["paths"].get(context.path_format, {})
        for method in context.methods or ():
            if operation := operations.get(method.lower()):
                name = str(context.name)
                if name not in names:  # else FastAPI's, which is made of the path
                    operation["operationId"] = name
                names.add(name)
                private = needs_caller(context.dependant)
                _complete(operation, ways if private else [])
                if private and method not in READING:
                    _add_failures(operation, {403: _GENERAL[403]})
                if private and method == "POST":
                    _take_key(operation)
                schemes |= operation.pop(SCHEMES, {})
    renamed: dict[str, Any] = _as_clients_name_them(found, schemas)
    _add_examples(renamed)
    return renamed


def _complete(operation: dict[str, Any], ways: Sequence[Mapping[str, Any]]) -> None:
    declared = operation["responses"]
    # FastAPI declares a 422 for each route with parameters or a body; ours is a 400.
    general = {400} if _is_fastapis(declared.get("422")) and declared.pop("422") else set()
    if ways:
        operation["security"] = [*ways]
        general |= {400, 401, 503}
    if "requestBody" in operation:
        general |= {400, 408, 413, 503}
    for code, answer in _failures({code: _GENERAL[code] for code in general}).items():
        declared.setdefault(str(code), answer)
    operation["responses"] = dict(sorted(declared.items()))


def _is_fastapis(answer: Any) -> bool:
    return "HTTPValidationError" in str(answer)


def _take_key(operation: dict[str, Any]) -> None:
    operation["parameters"] = [*operation.get("parameters", []), _KEY]
    _add_failures(operation, _OF_KEYS)


def _add_failures(operation: dict[str, Any], errors: Mapping[int, str]) -> None:
    """Errors that the operation may have declared for another reason."""
    declared = operation["responses"]
    for code, answer in _failures(errors).items():
        if own := declared.get(str(code)):
            said = {own["description"]: None, answer["description"]: None}
            answer["description"] = " ".join(said)
        declared[str(code)] = answer
    operation["responses"] = dict(sorted(declared.items()))


def _add_examples(document: Mapping[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for described in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in described.get("content", {}).values():
                    if "example" not in content and "examples" not in content:
                        content["example"] = example_of(content["schema"], schemas)


def _as_clients_name_them(value: Any, schemas: dict[str, Any]) -> Any:
    """``Conversation`` for our ``ConversationJson``, and ``{data: …}`` written out, not a name for each."""
    if isinstance(value, list):
        return [_as_clients_name_them(item, schemas) for item in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).removeprefix("#/components/schemas/")
    if name.startswith(_WRAPPERS):
        return _as_clients_name_them(schemas[name], schemas)
    if name:
        return {**value, "$ref": f"#/components/schemas/{name.removesuffix('Json')}"}
    if value is schemas:
        named = {
            key.removesuffix("Json"): schema
            for key, schema in schemas.items()
            if not key.startswith(_WRAPPERS)
        }
        return {
            name: {**_as_clients_name_them(schema, schemas), "title": name} for name, schema in named.items()
        }
    return {key: _as_clients_name_them(item, schemas) for key, item in value.items()}

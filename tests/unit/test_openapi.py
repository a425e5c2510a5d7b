"""The OpenAPI documents are whole: each operation says who may ask, what it answers, and how each looks."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

import chat.app
import cockpit.app
import knowledge.app
from chat.settings import ChatSettings
from cockpit.settings import CockpitSettings
from knowledge.settings import KnowledgeSettings
from servicekit.openapi_examples import example_of
from tests.support.declared import absolute

SERVICES = ("chat", "knowledge", "cockpit")


@cache
def document_of(service: str, auth_mode: str = "dev") -> dict[str, Any]:
    """The document of a service, which it can tell without its servers."""
    settings: dict[str, Any] = {
        "auth_mode": auth_mode,
        "jwt_secret": "s" * 32,
        "takaro_api_url": "https://api.takaro.io",
    }
    if service == "chat":
        return chat.app.build(ChatSettings(**settings)).openapi()
    if service == "cockpit":
        return cockpit.app.build(CockpitSettings(**settings)).openapi()
    return knowledge.app.build(KnowledgeSettings(**settings, embeddings_provider="hashing")).openapi()


@pytest.fixture(params=SERVICES)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return document_of(request.param)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_body_and_answer_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    registry: Registry[Any] = Registry().with_resource("doc:", Resource.opaque(document))
    for where, operation in operations(document):
        for described in (operation.get("requestBody", {}), *operation["responses"].values()):
            for kind, content in described.get("content", {}).items():
                assert "example" in content, (where, kind)
                schema = absolute(content["schema"])
                validator = jsonschema.Draft202012Validator(
                    schema, registry=registry, format_checker=jsonschema.FormatChecker()
                )
                validator.validate(content["example"])


def test_every_refusal_says_its_code_its_trace_and_when_to_come_back(document: dict[str, Any]) -> None:
    for where, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status < "4" or where == "GET /ready":
                continue
            headers = answer["headers"].keys()
            assert headers >= {"X-Error-Code", "X-Trace-Id"}, where
            assert ("Retry-After" in headers) == (status in ("429", "503")), where
            assert ("WWW-Authenticate" in headers) == (status == "401"), where


@pytest.mark.parametrize(
    ("auth_mode", "callers"),
    [
        ("dev", ["user", "login"]),
        ("jwt", ["token", "login"]),
        ("takaro", ["session"]),
        ("takaro,jwt", ["token", "session", "login"]),
    ],
)
@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_of_the_api_says_who_may_ask(
    service: str, auth_mode: str, callers: list[str]
) -> None:
    document = document_of(service, auth_mode)
    schemes = document["components"]["securitySchemes"]
    for where, operation in operations(document):
        if "/api/" in where or "/auth/" in where:
            names = [name for way in operation["security"] for name in way]
            assert names == (["github"] if "webhooks" in where else callers), where
            assert set(names) <= set(schemes)


def test_operations_have_short_names(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert {"health", "ready", "metrics"} <= set(names)
    assert not [name for name in names if "_api_" in name]


WITHOUT_PAGES = {
    "GET /api/agents": "as many as AGENTS, ANNOUNCED_AGENTS_MAX and CUSTOM_AGENTS_MAX allow",
    "GET /api/custom-agents/tools": "as many as TOOLS and ANNOUNCED_TOOLS_MAX allow",
    "GET /api/custom-agents/models": "as many as MODELS and ANNOUNCED_AGENTS_MAX allow",
    "GET /api/custom-agents/knowledge-bases": "for a form; GET /api/knowledge-bases has pages",
    "GET /api/knowledge-bases/{kb_id}/search": "the best of a ranking, 50 at most: what follows is no answer",
    "GET /api/quotas": "four kinds at most",
    "GET /api/usage": "asked for by days: 10,000 rows at most",
}
ONE_ORDER = {"GET /api/messages/search": "its index is read from the newest on"}


def test_every_list_has_pages(document: dict[str, Any]) -> None:
    """Of each GET that answers with a list, as ``data`` or inside it."""

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        return document["components"]["schemas"][reference.split("/")[-1]] if reference else schema

    def lists(schema: dict[str, Any]) -> bool:
        if schema.get("type") == "array":
            return True
        fields = map(resolved, schema.get("properties", {}).values())
        return any("$ref" in each.get("items", {}) for each in fields)

    for where, operation in operations(document):
        content = operation["responses"].get("200", {}).get("content", {}).get("application/json")
        if content is None or not where.startswith("GET /api/") or where in WITHOUT_PAGES:
            continue
        answer = resolved(content["schema"])["properties"]
        if lists(resolved(answer["data"])):
            wanted = {"limit", "cursor"} if where in ONE_ORDER else {"limit", "cursor", "order"}
            assert {p["name"] for p in operation.get("parameters", [])} >= wanted, where
            assert "nextCursor" in resolved(answer["meta"])["properties"], where


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "examples": ["Ada"]}, "Ada"),
        ({"type": "string", "format": "date"}, "2026-11-28"),
        ({"type": ["object", "null"]}, {}),
        ({"anyOf": [{"type": "integer", "minimum": 20}, {"type": "null"}]}, 20),
        ({"type": "array", "items": {"enum": ["b", "a"]}}, ["b"]),
        ({"$ref": "#/components/schemas/Tree"}, {"children": []}),
        ({}, {}),
    ],
)
def test_an_example_is_made_of_what_fields_name(schema: dict[str, Any], example: object) -> None:
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "maxItems": 0, "items": {"type": "string"}}},
    }
    assert example_of(schema, {"Tree": tree}) == example

"""Each operation of the three OpenAPI documents has a function in the client, with all that it takes, and a
model with all that it answers."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from takaro_agent_client import operations
from takaro_agent_client.calls import Call, EventSource, Lines, Listing
from tests.unit.client.samples import sample_arguments
from tests.unit.test_openapi import SERVICES, document_of
from tests.unit.test_openapi import operations as declared_in

NOT_FOR_CALLERS = {
    "GET /health": "for whoever runs the service",
    "GET /ready": "for whoever runs the service",
    "GET /metrics": "for Prometheus",
    "POST /api/knowledge-bases/webhooks/github": "for GitHub",
}
GIVEN_OTHERWISE = {
    "idempotency-key": "every POST has one",
    "last-event-id": "`follow` sends it",
    "lastEventId": "the same, for browsers",
}
TWICE = {("PUT /api/conversations/{conversationId}/state", "expectedVersion"): "in the query"}

Made = Call[Any] | Listing[Any] | EventSource | Lines


@dataclass
class Offered:
    """What the client's functions make of one operation."""

    names: list[str] = field(default_factory=list)
    parameters: set[str] = field(default_factory=set)
    bodies: list[Any] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in modules():
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                yield f"{module.__name__.rpartition('.')[2]}.{name}", function


def modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(operations.__path__)]
    return [importlib.import_module(f"{operations.__name__}.{name}") for name in names]


def offered(service: str) -> dict[str, Offered]:
    """By operation, as ``METHOD /path/{parameter}``."""
    templates = sorted(document_of(service)["paths"], key=lambda template: template.count("{"))
    found: dict[str, Offered] = {}
    for name, function in functions():
        made = function(**sample_arguments(function))
        if made.service != service:
            continue
        where = getattr(made, "method", "GET")
        template = next((each for each in templates if matches(each, made.path)), made.path)
        one = found.setdefault(f"{where} {template}", Offered())
        one.names.append(name)
        one.made.append(made)
        one.parameters |= {*getattr(made, "query", {}), *map(str.lower, getattr(made, "headers", {}))}
        if isinstance(made, Listing):
            one.parameters |= {"limit", "cursor"}
        if isinstance(made, Call) and made.body is not None:
            one.bodies.append(made.body)
    return found


def matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path) is not None


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_has_a_function_and_each_function_an_operation(service: str) -> None:
    declared = {where for where, _ in declared_in(document_of(service))} - NOT_FOR_CALLERS.keys()
    found = offered(service)
    assert declared - found.keys() == set(), "operations without a function in the client"
    assert found.keys() - declared == set(), "functions of the client that call nothing"


@pytest.mark.parametrize("service", SERVICES)
def test_a_function_takes_each_parameter_and_no_other(service: str) -> None:
    """One that the service doesn't know would be ignored there."""
    found = offered(service)
    for where, operation in declared_in(document_of(service)):
        if where in found:
            named = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
            headers = [p["name"].lower() for p in operation.get("parameters", []) if p["in"] == "header"]
            wanted = {*named, *headers} - GIVEN_OTHERWISE.keys()
            assert found[where].parameters == wanted, (where, found[where].names)


@pytest.mark.parametrize("service", SERVICES)
def test_a_function_takes_each_field_of_the_body_and_no_other(service: str) -> None:
    document, found = document_of(service), offered(service)
    for where, operation in declared_in(document):
        content = operation.get("requestBody", {}).get("content", {})
        if where in found and "application/json" in content:
            sent = found[where].bodies or [{}]
            twice = {field for place, field in TWICE if place == where}
            schema = content["application/json"]["schema"]
            assert fields_of(schema, document) - twice == given_in(sent), (where, found[where].names)


def fields_of(schema: dict[str, Any], document: dict[str, Any], prefix: str = "") -> set[str]:
    """The names of the properties, those of nested lists of objects after a dot."""
    for alternative in schema.get("anyOf", []):
        if alternative.get("type") != "null":
            return fields_of(alternative, document, prefix)
    if "$ref" in schema:
        return fields_of(document["components"]["schemas"][schema["$ref"].split("/")[-1]], document, prefix)
    names = set()
    for name, each in schema.get("properties", {}).items():
        names |= {f"{prefix}{name}"} | fields_of(each.get("items", {}), document, f"{prefix}{name}.")
    return names


def given_in(bodies: list[Any], prefix: str = "") -> set[str]:
    names = set()
    for body in bodies:
        for name, value in body.items() if isinstance(body, dict) else ():
            objects = value if isinstance(value, list) else []
            names |= {f"{prefix}{name}"} | given_in(objects, f"{prefix}{name}.")
    return names


@pytest.mark.parametrize("service", SERVICES)
def test_an_answer_is_read_with_all_its_fields(service: str) -> None:
    document, found = document_of(service), offered(service)
    for where, operation in declared_in(document):
        for made in found[where].made if where in found else ():
            answers = [body for status, body in operation["responses"].items() if status.startswith("2")]
            example = answers[0]["content"].get("application/json", {}).get("example")
            if isinstance(made, Listing):
                read: Any = [made.item(item) for item in example["data"]]
            elif isinstance(made, Call) and not made.query.get("total"):
                read = made.parse(example)
            else:
                continue
            assert unknown_in(read) == [], (where, found[where].names)


def unknown_in(read: Any) -> list[str]:
    """Fields that no model of the client names."""
    if isinstance(read, list):
        return [name for item in read for name in unknown_in(item)]
    if not isinstance(read, BaseModel):
        return []
    names = [f"{type(read).__name__}.{name}" for name in read.model_extra or {}]
    return names + [name for value in vars(read).values() for name in unknown_in(value)]

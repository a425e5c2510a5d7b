"""Published contracts: a JSON Schema a type, an AsyncAPI document a producer, and what may change in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common.asyncapi import asyncapi_document
from common.contracts import Contract, chat, cockpit, knowledge

_ANNOTATIONS = ("title", "description", "default", "examples", "$comment")


@dataclass(slots=True, frozen=True)
class Producer:
    """A service's streams and the types on them."""

    name: str
    commands_stream: str
    commands: tuple[type[Contract], ...]
    facts_stream: str
    facts: tuple[type[Contract], ...]


PRODUCERS = tuple(
    Producer(name, module.COMMANDS_STREAM, module.COMMANDS, module.FACTS_STREAM, module.FACTS)
    for name, module in (("chat", chat), ("knowledge", knowledge), ("cockpit", cockpit))
)


def schema_of(contract: type[Contract], *, fact: bool) -> dict[str, Any]:
    """The JSON Schema of an event's ``data``: what may be sent of a command, what is read of a fact."""
    schema = contract.model_json_schema(by_alias=True, mode="serialization" if fact else "validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": contract.type, **schema}


def published() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each type's name, its schema, and whether it is a fact."""
    for producer in PRODUCERS:
        for contract in producer.commands:
            yield contract.type, schema_of(contract, fact=False), False
        for contract in producer.facts:
            yield contract.type, schema_of(contract, fact=True), True


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    """What is published in a folder: ``schemas/<type>.json`` and ``asyncapi-<service>.json``."""
    for name, schema, _ in published():
        yield Path("schemas") / f"{name}.json", schema
    for producer in PRODUCERS:
        document = asyncapi_document(
            producer.name,
            version("takaro-common"),
            receives={producer.commands_stream: producer.commands},
            sends={producer.facts_stream: producer.facts},
        )
        yield Path(f"asyncapi-{producer.name}.json"), document


def breaking_changes(released: dict[str, Any], current: dict[str, Any], *, fact: bool) -> list[str]:
    """What in ``current`` would break a program that was written against ``released``.

    Senders of a command must stay accepted, readers of a fact must find what they found: a field is never
    removed or changed; a new field of a command is optional; a fact's field that was always there stays so.
    """
    old, new = _inlined(released), _inlined(current)
    return list(_compare(old, new, "data", fact=fact))


def _compare(old: Any, new: Any, where: str, *, fact: bool) -> Iterator[str]:
    nested = all(isinstance(schema, dict) and "properties" in schema for schema in (old, new))
    if not nested:
        if _plain(old) != _plain(new):
            yield f"{where} changed"
        return
    for name, schema in old["properties"].items():
        if name not in new["properties"]:
            yield f"{where}.{name} was removed"
        else:
            yield from _compare(schema, new["properties"][name], f"{where}.{name}", fact=fact)
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    if fact:
        yield from (f"{where}.{name} is no longer always there" for name in sorted(was - now))
    else:
        yield from (f"{where}.{name} is now required" for name in sorted(now - was))


def _plain(schema: Any) -> Any:
    """A schema without what only explains it."""
    if isinstance(schema, dict):
        return {k: _plain(v) for k, v in schema.items() if k not in _ANNOTATIONS}
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    return schema


def _inlined(schema: dict[str, Any]) -> Any:
    definitions = schema.get("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rpartition("/")[2]])
            return {k: resolve(v) for k, v in node.items() if k not in ("$defs", "$id", "$schema")}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    return resolve(schema)

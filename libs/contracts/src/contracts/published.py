"""Published contracts: a JSON Schema for each type, an AsyncAPI document for each producer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contracts import Contract, chat, cockpit, knowledge
from contracts.asyncapi import asyncapi_document


@dataclass(slots=True, frozen=True)
class Producer:
    """A service's streams and the event types on them."""

    name: str
    receives: Mapping[str, tuple[type[Contract], ...]]
    facts_stream: str
    facts: tuple[type[Contract], ...]

    @property
    def commands(self) -> tuple[type[Contract], ...]:
        """The types on all streams that it receives."""
        return tuple(contract for contracts in self.receives.values() for contract in contracts)


PRODUCERS = (
    Producer(
        "chat",
        {chat.COMMANDS_STREAM: chat.COMMANDS, chat.TURNS_STREAM: chat.TURN_COMMANDS},
        chat.FACTS_STREAM,
        chat.FACTS,
    ),
    *(
        Producer(name, {module.COMMANDS_STREAM: module.COMMANDS}, module.FACTS_STREAM, module.FACTS)
        for name, module in (("knowledge", knowledge), ("cockpit", cockpit))
    ),
)


def schema_of(contract: type[Contract], *, fact: bool) -> dict[str, Any]:
    """The JSON Schema of an event's ``data``: of a command as it may be sent, of a fact as it is read."""
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
    """Paths and contents of what is published: ``schemas/<type>.json`` and ``asyncapi-<service>.json``."""
    for name, schema, _ in published():
        yield Path("schemas") / f"{name}.json", schema
    for producer in PRODUCERS:
        document = asyncapi_document(
            producer.name,
            version("takaro-contracts"),
            receives=producer.receives,
            sends={producer.facts_stream: producer.facts},
        )
        yield Path(f"asyncapi-{producer.name}.json"), document

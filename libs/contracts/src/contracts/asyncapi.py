"""The AsyncAPI 3.0 document of a service, generated from its contracts."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from contracts import Contract

_ENVELOPE = {
    "type": "object",
    "description": "Flat fields of the stream entry: CloudEvents 1.0. Only `type` and `data` are required.",
    "properties": {
        "id": {"type": "string", "description": "unique within source; defaults to the stream entry's id"},
        "source": {"type": "string"},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "sequence": {"type": "string", "description": "counts the facts of a subject"},
        "traceparent": {"type": "string"},
        "tracestate": {"type": "string"},
        "baggage": {"type": "string"},
    },
}


def asyncapi_document(
    service: str,
    version: str,
    *,
    receives: Mapping[str, Sequence[type[Contract]]],
    sends: Mapping[str, Sequence[type[Contract]]],
) -> dict[str, Any]:
    """The document: one channel for each stream, one message for each event type."""
    contracts = {c.type: c for group in (*receives.values(), *sends.values()) for c in group}
    refs, definitions = models_json_schema(
        [(c, "validation") for c in contracts.values()], ref_template="#/components/schemas/{model}"
    )
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for action, streams in (("receive", receives), ("send", sends)):
        for stream, types in streams.items():
            channel = channels.setdefault(stream, {"address": stream, "messages": {}})
            for contract in types:
                channel["messages"][contract.type] = {"$ref": f"#/components/messages/{contract.type}"}
            operations[f"{action} {stream}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{stream}"},
                "messages": [{"$ref": f"#/channels/{stream}/messages/{c.type}"} for c in types],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{service} events",
            "version": version,
            "description": "Entries of Redis Streams with flat CloudEvents fields; `data` is JSON.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "title": name,
                    "summary": (contract.__doc__ or "").strip().partition("\n")[0],
                    "headers": _ENVELOPE,
                    "payload": refs[contract, "validation"],
                }
                for name, contract in contracts.items()
            },
            "schemas": definitions.get("$defs", {}),
        },
    }

"""Events as they are on the wire: flat CloudEvents fields around JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from contracts import Contract

C = TypeVar("C", bound=Contract)
_KEYS = ("conversationId", "knowledgeBaseId", "id", "agentId")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A command, ready to be sent: the stream, the fields of its entry, and the key that orders it."""

    stream: str
    fields: Mapping[str, str]
    key: str | None

    @property
    def id(self) -> str:
        """The command's id: a rejection names it, and a repeat with the same one has no effect."""
        return self.fields["id"]


def outgoing(
    command: Contract, *, source: str, id: UUID | str | None = None, trace: Mapping[str, str] | None = None
) -> Outgoing:
    """The entry of a command. Send it again with the same ``id`` as often as you like: it has one effect.

    ``source`` names the program that sends; ids are unique within it. ``trace`` holds ``traceparent``.
    """
    data = command.to_json()
    parsed = json.loads(data)
    key = next((str(parsed[name]) for name in _KEYS if parsed.get(name)), None)
    fields = {
        "id": str(id or uuid4()),
        "source": source,
        "type": command.type,
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": data,
        **({"subject": key} if key else {}),
        **(trace or {}),
    }
    return Outgoing(f"{command.type.partition('.')[0]}.commands", fields, key)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened.

    ``position`` is the entry's id in its stream, or ``partition-offset``. ``missed`` facts of this subject
    should have come before it and didn't: read the subject over HTTP again.
    """

    stream: str
    position: str
    id: str
    type: str
    source: str
    subject: str
    sequence: int | None
    time: str
    data: Mapping[str, Any]
    traceparent: str | None = None
    missed: int = 0


def read(fact: Fact, contract: type[C]) -> C:
    """The fact's data as its contract, as ``contracts.chat.MessageAppended``. Raises pydantic's
    ``ValidationError``."""
    return contract.model_validate(fact.data)


def fact_of(stream: str, position: str, fields: Mapping[str, str]) -> Fact | None:
    """The fact in an entry; ``None`` if it isn't one."""
    try:
        data = json.loads(fields["data"])
        if not isinstance(data, dict) or not fields["type"]:
            return None
        sequence = fields.get("sequence")
        return Fact(
            stream,
            position,
            fields.get("id") or position,
            fields["type"],
            fields.get("source", ""),
            fields.get("subject", ""),
            int(sequence) if sequence else None,
            fields.get("time", ""),
            data,
            fields.get("traceparent"),
        )
    except (KeyError, ValueError):
        return None

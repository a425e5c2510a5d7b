"""CloudEvents' Kafka binding, binary mode: an event's attributes are headers, its data is the value.

Source: CloudEvents 1.0, "Kafka Protocol Binding", section 3.2. Records of other programs need only a header
``ce_type`` (or ``type``) and a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from backbone.events import PUBLISHED, TOMBSTONE, RawEntry

Header: TypeAlias = tuple[str, bytes]

ATTRIBUTES = (
    b"id",
    b"source",
    b"type",
    b"subject",
    b"time",
    b"sequence",
    b"traceparent",
    b"tracestate",
    b"baggage",
)
PLAIN = (b"traceparent", b"tracestate", b"baggage")
"""Attributes whose header has no prefix, because W3C defines the header."""

KEY = b":key"
"""The entry's field for the record's key. No header has this name, because HTTP allows no such header."""

OF_RECORDS = (KEY, PUBLISHED, TOMBSTONE, b"data")
"""Fields that aren't headers."""


@dataclass(slots=True, frozen=True)
class Record:
    """A record to write to a topic. Records of one key go to one partition, in order."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


def entry_id(topic: str, partition: int, offset: int) -> str:
    """``<topic>-<partition>-<offset>``, which is also the id of an event without one."""
    return f"{topic}-{partition}-{offset}"


def place_of(entry_id: str) -> tuple[int, int]:
    """Partition and offset of an entry id."""
    _, partition, offset = entry_id.rsplit("-", 2)
    return int(partition), int(offset)


def entry_of(record: Any) -> RawEntry:
    """An aiokafka record as an entry: its headers, with the attributes under their plain names."""
    fields = {name.encode(): value or b"" for name, value in record.headers}
    for name in ATTRIBUTES:
        value = fields.get(b"ce_" + name)
        if value is not None:
            fields[name] = value
    for name in OF_RECORDS:
        fields.pop(name, None)
    if record.value is not None:
        fields[b"data"] = record.value
    elif not record.headers:
        fields[TOMBSTONE] = b""
    if record.key is not None:
        fields[KEY] = record.key
    fields[PUBLISHED] = str(record.timestamp).encode()
    return entry_id(record.topic, record.partition, record.offset), fields


def record_of_event(fields: Mapping[str | bytes, str | bytes]) -> Record:
    """The record of one of our events. Its key is the subject, which keeps the subject's facts in order."""
    event = {_bytes(name): _bytes(value) for name, value in fields.items()}
    headers = [("ce_specversion", b"1.0")]
    headers += [(_header(name), event[name]) for name in ATTRIBUTES if name in event]
    headers.append(("content-type", b"application/json"))
    return Record(event.get(b"subject"), event[b"data"], headers)


def record_of_entry(fields: Mapping[bytes, bytes]) -> Record:
    """The record that :func:`entry_of` read ``fields`` from, with any fields that were added since."""
    headers = [
        (name.decode(), value)
        for name, value in fields.items()
        if name not in OF_RECORDS and not (name in ATTRIBUTES and b"ce_" + name in fields)
    ]
    return Record(fields.get(KEY), fields.get(b"data"), headers)


def _header(name: bytes) -> str:
    return name.decode() if name in PLAIN else f"ce_{name.decode()}"


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value

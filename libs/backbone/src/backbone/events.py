"""The event envelope: CloudEvents 1.0 fields, flat in a stream entry.

Other programs must send only ``type`` and ``data``. Entries of FastStream's own publisher (a single
``__data__`` field) are read too. Their CloudEvents fields are among the headers, or the body is a JSON object
with ``type`` and ``data``.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeAlias
from uuid import UUID, uuid5

from backbone.reader import read_binary
from common import codec, uuids
from common.trace_context import MAX_BAGGAGE, MAX_TRACESTATE, TraceContext, is_portable

Fields: TypeAlias = Mapping[bytes, bytes]

RawEntry: TypeAlias = tuple[str, dict[bytes, bytes]]
"""An entry's id and its fields, undecoded."""

PUBLISHED = b":published"
"""The field for a record's own time, in milliseconds since the epoch. An entry of Redis has it in its id."""

TOMBSTONE = b":tombstone"
"""The field of a record that has neither value nor headers: it tells a compacted topic to drop its key."""

EVENT_NAMESPACE = UUID("6f1d7b1e-0b0c-5d0e-9c53-0d6f2a9b7c11")
"""Namespace of the version 5 UUIDs for events whose id isn't a UUID."""

MAX_FIELD_BYTES = 1_024
_TEXT_FIELDS = (b"id", b"source", b"type", b"subject", b"time", b"traceparent")
_TRACE_LIMITS = {b"tracestate": MAX_TRACESTATE, b"baggage": MAX_BAGGAGE}
"""Fields that only help to trace an event. One that can't be stored is ignored; the event stays valid."""

_REPLAY_FIELDS = (b"id", b"source", b"replay")


class MalformedEntry(ValueError):
    """An entry isn't a valid event. The message says what is missing or wrong.

    ``event`` has what could be read of it; ``None`` if even the type couldn't.
    """

    def __init__(self, reason: str, event: "Event | None" = None) -> None:
        super().__init__(reason)
        self.event = event


@dataclass(slots=True)
class Event:
    """One event as received. ``data`` is its raw JSON; ``stream`` and ``entry_id`` say where it was read."""

    id: str
    source: str
    type: str
    data: bytes
    stream: str
    entry_id: str
    subject: str | None = None
    time: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None
    replay: str | None = None

    @property
    def trace(self) -> TraceContext | None:
        """The context in which the event was published."""
        return TraceContext.of(self.traceparent, self.tracestate, self.baggage)

    def key(self) -> UUID:
        """The event's permanent key: its id if that is a UUID, else ``uuid5`` of source and id."""
        try:
            return uuids.read(self.id)
        except ValueError:
            return uuid5(EVENT_NAMESPACE, f"{self.source}\n{self.id}")

    def digest(self) -> bytes:
        """Eight bytes that distinguish events with the same key and different content."""
        return blake2b(self.type.encode() + b"\n" + self.data, digest_size=8).digest()


def decode_entry(stream: str, entry_id: str, fields: Fields) -> Event:
    """Read an entry of any program as an event. Raises only :class:`MalformedEntry`."""
    if b"__data__" in fields and b"type" not in fields:
        # A replayed dead letter has its id and source beside FastStream's field.
        replayed = {name: fields[name] for name in _REPLAY_FIELDS if name in fields}
        fields = {**_decode_faststream(fields[b"__data__"]), **replayed}
    data = fields.get(b"data")
    if data is None or b"type" not in fields:
        missing = "type" if b"type" not in fields else "data"
        raise MalformedEntry(
            f"the entry has no field {missing!r}: an event needs 'type' and 'data'",
            _identify(stream, entry_id, fields),
        )
    try:
        text = {name: fields[name].decode() for name in _TEXT_FIELDS if name in fields}
    except UnicodeDecodeError as error:
        raise MalformedEntry(
            "the event's fields are not UTF-8", _identify(stream, entry_id, fields)
        ) from error
    for name, value in text.items():
        if len(fields[name]) > MAX_FIELD_BYTES or "\x00" in value:
            raise MalformedEntry(
                f"field {name.decode()!r} is over {MAX_FIELD_BYTES} bytes or holds U+0000",
                _identify(stream, entry_id, fields),
            )
    replay = fields.get(b"replay")
    return Event(
        id=text.get(b"id") or entry_id,
        source=text.get(b"source") or f"/streams/{stream}",
        type=text[b"type"],
        data=data,
        stream=stream,
        entry_id=entry_id,
        subject=text.get(b"subject"),
        time=text.get(b"time"),
        traceparent=text.get(b"traceparent"),
        **_trace_fields(fields),
        replay=replay.decode(errors="replace") if replay else None,
    )


def _trace_fields(fields: Fields) -> dict[str, str]:
    found = {}
    for name, limit in _TRACE_LIMITS.items():
        value = fields.get(name)
        if value and is_portable(text := value.decode(errors="replace"), limit):
            found[name.decode()] = text
    return found


def _identify(stream: str, entry_id: str, fields: Fields) -> Event | None:
    """What can be read and stored of a malformed entry; ``None`` without a type.

    An id that can't be stored is ignored; the entry's own id replaces it.
    """
    text: dict[bytes, str] = {}
    for name in (b"id", b"source", b"type", b"traceparent"):
        value = fields.get(name, b"")
        with suppress(UnicodeDecodeError):
            if 0 < len(value) <= MAX_FIELD_BYTES and b"\x00" not in value:
                text[name] = value.decode()
    if b"type" not in text:
        return None
    return Event(
        id=text.get(b"id", entry_id),
        source=text.get(b"source", f"/streams/{stream}"),
        type=text[b"type"],
        data=fields.get(b"data", b""),
        stream=stream,
        entry_id=entry_id,
        traceparent=text.get(b"traceparent"),
    )


def _decode_faststream(raw: bytes) -> Fields:
    """The flat fields of a ``__data__`` entry, in FastStream's binary or JSON format."""
    try:
        return _flatten(*read_binary(raw))
    except MalformedEntry:
        raise
    except Exception as error:
        # Any program can write this field, and FastStream's parser passes on whatever the JSON contains.
        raise MalformedEntry(f"the __data__ field can't be read: {error!r}"[:500]) from error


def _flatten(body: bytes, headers: object) -> Fields:
    if not isinstance(headers, dict):
        raise MalformedEntry("the headers of the __data__ field aren't an object")
    flat = {str(k).lower().removeprefix("ce_").encode(): str(v).encode() for k, v in headers.items()}
    if b"type" in flat:
        return {**flat, b"data": body}
    try:
        structured = codec.loads(body)
    except ValueError as error:
        raise MalformedEntry("the __data__ field isn't JSON") from error
    if not isinstance(structured, dict) or "type" not in structured:
        raise MalformedEntry("a __data__ entry needs 'type' among its headers, or a body {type, data}")
    envelope = {k.encode(): str(v).encode() for k, v in structured.items() if isinstance(v, str | int)}
    envelope.pop(b"data", None)
    return {**envelope, b"data": codec.dumps(structured["data"])} if "data" in structured else envelope


def encode_entry(
    *,
    id: str,
    source: str,
    type: str,
    data: str | bytes,
    subject: str | None = None,
    time: datetime | None = None,
    sequence: int | None = None,
    trace: TraceContext | None = None,
) -> dict[str | bytes, str | bytes]:
    """The flat fields of an event for ``XADD``, in the contract's order."""
    fields: dict[str | bytes, str | bytes] = {"id": id, "source": source, "type": type}
    if subject is not None:
        fields["subject"] = subject
    fields["time"] = rfc3339(time or datetime.now(UTC))
    if sequence is not None:
        fields["sequence"] = str(sequence)
    if trace is not None:
        fields.update(trace.to_carrier())
    fields["data"] = data
    return fields


def is_about(subject: str | None, data: bytes, wanted: str) -> bool:
    """Whether an event concerns ``wanted``: it is its subject, or a member of its data has it as value. A
    command usually names its conversation or knowledge base in its data alone."""
    if subject == wanted:
        return True
    if codec.dumps(wanted) not in data and b"\\" not in data:  # most events: nothing is decoded
        return False
    try:
        decoded = codec.loads(data)
    except ValueError:
        return False
    return isinstance(decoded, dict) and wanted in decoded.values()


def rfc3339(moment: datetime) -> str:
    """``2026-11-22T12:00:00.000000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

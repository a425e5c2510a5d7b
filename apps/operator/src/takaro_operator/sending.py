"""Publishes one event by hand: checked against its contract, in its own trace."""

import logging
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import SpanKind
from redis.asyncio import Redis

from backbone.events import MAX_FIELD_BYTES, encode_entry
from backbone.redis_streams.publisher import RedisPublisher
from backbone.redis_streams.reading import exists
from common import codec, telemetry, trace_context
from common.trace_context import TraceContext
from takaro_operator.entries import CONTRACTS, KNOWN_STREAMS
from takaro_operator.errors import Refusal

SOURCE = "/takaro/cli"


@dataclass(slots=True, frozen=True)
class NewEvent:
    """An event to publish. ``data`` is JSON."""

    id: str
    source: str
    type: str
    subject: str | None
    data: bytes


def make(type_: str, data: bytes, *, event_id: str, source: str, subject: str | None) -> NewEvent:
    """Put an event together. Raises :class:`Refusal` for a field that every consumer would reject.

    Without ``subject``, the data's ``conversationId`` or ``knowledgeBaseId`` is the subject.
    """
    if subject is None:
        decoded = codec.loads(data)
        about = decoded if isinstance(decoded, dict) else {}
        found = about.get("conversationId") or about.get("knowledgeBaseId")
        subject = found if isinstance(found, str) and len(found.encode()) <= MAX_FIELD_BYTES else None
    for name, value in (("ID", event_id), ("TYPE", type_), ("SOURCE", source), ("SUBJECT", subject or "")):
        if len(value.encode()) > MAX_FIELD_BYTES or "\x00" in value:
            raise Refusal(f"{name} is over {MAX_FIELD_BYTES} bytes or contains U+0000")
    return NewEvent(event_id, source, type_, subject, data)


def check(stream: str, event: NewEvent) -> None:
    """Validate the event against its contract, if there is one.

    Raises ``pydantic.ValidationError`` for its data, and :class:`Refusal` for the wrong stream or for a type
    that the stream's owner doesn't take.
    """
    for home, contracts in CONTRACTS.items():
        if event.type in contracts:
            if home != stream:
                raise Refusal(
                    f"{event.type} belongs on {home}, not on {stream} (--no-validate sends it anyway)"
                )
            contracts[event.type].model_validate_json(event.data)
    if stream in CONTRACTS and event.type not in CONTRACTS[stream]:
        types = ", ".join(sorted(CONTRACTS[stream]))
        raise Refusal(f"{stream} has no {event.type}; it has {types} (--no-validate sends it anyway)")
    if codec.json_has_nul(event.data):
        raise Refusal("the data contains U+0000, which can't be stored (--no-validate sends it anyway)")


async def check_stream(redis: Redis, stream: str) -> None:
    """Raises :class:`Refusal` if there is no such stream: no group would read it."""
    if stream not in KNOWN_STREAMS and not await exists(redis, stream):
        names = ", ".join(KNOWN_STREAMS)
        raise Refusal(f"there is no stream {stream}; ours are {names} (--no-validate creates it)")


async def publish(redis: Redis, stream: str, event: NewEvent) -> dict[str, Any]:
    """Publish the event; returns the document for scripts: ``stream, entryId, id, traceId``."""
    with _trace(stream, event) as trace:
        fields = encode_entry(
            id=event.id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            trace=trace,
            data=event.data,
        )
        [entry_id] = await RedisPublisher(redis).publish(stream, [fields])
    return {"stream": stream, "entryId": entry_id, "id": event.id, "traceId": trace.trace_id}


@contextmanager
def _trace(stream: str, event: NewEvent) -> Iterator[TraceContext]:
    """The context of a new, sampled trace. Its first span is exported if an exporter is set."""
    provider = telemetry.setup("takaro-cli", "takaro-cli", log_level="error")
    if not telemetry.recording():
        yield TraceContext(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01")
        return
    logging.getLogger().handlers[:] = [logging.StreamHandler(sys.stderr)]  # stdout is for results only
    try:
        with telemetry.span(
            f"send {stream}",
            kind=SpanKind.PRODUCER,
            root=True,
            attributes={
                "messaging.system": "redis",
                "messaging.operation.type": "send",
                "messaging.operation.name": "send",
                "messaging.destination.name": stream,
                "cloudevents.event_id": event.id,
                "cloudevents.event_type": event.type,
                "cloudevents.event_source": event.source,
            },
        ):
            trace = trace_context.current()
            assert trace is not None  # a span is running
            yield trace
    finally:
        telemetry.shutdown(provider)

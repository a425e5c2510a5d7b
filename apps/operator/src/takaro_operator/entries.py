"""The streams that we have contracts for, and entries of any stream as an operator sees them."""

from dataclasses import dataclass
from typing import Any

from backbone.events import Event, MalformedEntry, RawEntry, decode_entry, is_about, rfc3339
from backbone.redis_streams.entry_ids import moment_of, order, text
from contracts import Contract, by_type
from contracts.published import PRODUCERS
from takaro_operator.output import json_or_text

COMMANDS: dict[str, dict[str, type[Contract]]] = {
    stream: by_type(*contracts) for producer in PRODUCERS for stream, contracts in producer.receives.items()
}
"""Contracts of the commands that a stream's owner takes, by stream and event type."""

FACTS: dict[str, dict[str, type[Contract]]] = {
    producer.facts_stream: by_type(*producer.facts) for producer in PRODUCERS
}
"""Contracts of the facts that a stream's owner publishes, by stream and event type."""

CONTRACTS = COMMANDS | FACTS
KNOWN_STREAMS = tuple(CONTRACTS)

SUBJECT = "The event's subject, or an id that its data names, exactly."
"""What ``--subject`` means."""


@dataclass(slots=True, frozen=True)
class Entry:
    """An entry of a stream. If it isn't a valid event, ``event`` is ``None`` and ``problem`` says why."""

    stream: str
    entry_id: str
    fields: dict[bytes, bytes]
    event: Event | None
    problem: str | None

    @classmethod
    def read(cls, stream: str, raw: RawEntry) -> "Entry":
        entry_id, fields = raw
        try:
            return cls(stream, entry_id, fields, decode_entry(stream, entry_id, fields), None)
        except MalformedEntry as error:
            return cls(stream, entry_id, fields, None, str(error))

    @property
    def trace_id(self) -> str | None:
        """The trace id in the event's ``traceparent``, if that is valid."""
        return self.event.trace.trace_id if self.event and self.event.trace else None

    def is_about(self, subject: str) -> bool:
        """Whether the event's subject is ``subject``, or its data names it."""
        return self.event is not None and is_about(self.event.subject, self.event.data, subject)

    @property
    def order(self) -> tuple[int, int]:
        """A sort key: by entry id."""
        return order(self.entry_id)

    @property
    def sequence(self) -> int | None:
        digits = self.fields.get(b"sequence", b"")
        return int(digits) if digits.isdigit() else None

    def to_json(self) -> dict[str, Any]:
        """``stream, entryId, at``, and the event's keys; ``problem`` and ``fields`` if it isn't an event."""
        found: dict[str, Any] = {
            "stream": self.stream,
            "entryId": self.entry_id,
            "at": rfc3339(moment_of(self.entry_id)),
        }
        if self.event is None:
            texts = {text(name): text(value) for name, value in self.fields.items()}
            return {**found, "problem": self.problem, "fields": texts}
        event = self.event
        return {
            **found,
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "sequence": self.sequence,
            "traceparent": event.traceparent,
            "traceId": self.trace_id,
            "data": json_or_text(event.data),
        }

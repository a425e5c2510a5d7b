"""Publishing: where the relay hands over facts, whatever the broker."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

EntryFields: TypeAlias = Mapping[str | bytes, str | bytes]
"""The flat fields of one event, as :func:`backbone.events.encode_entry` makes them."""


class Publisher(Protocol):
    """Appends events to a stream. Kafka: :class:`backbone.kafka.producer.KafkaPublisher`."""

    @property
    def system(self) -> str:
        """``messaging.system`` of OpenTelemetry."""

    async def publish(self, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        """Append ``entries`` in order for each subject; all of them are stored when this returns their ids.

        An error may leave some of them published: never one without those before it in its subject.
        """

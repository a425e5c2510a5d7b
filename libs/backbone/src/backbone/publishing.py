"""How the relay publishes facts, on any broker."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

EntryFields: TypeAlias = Mapping[str | bytes, str | bytes]
"""The flat fields of one event, as :func:`backbone.events.encode_entry` encodes them."""


class Publisher(Protocol):
    """Appends events to a stream. Kafka: :class:`backbone.kafka.producer.KafkaPublisher`."""

    @property
    def system(self) -> str:
        """OpenTelemetry's ``messaging.system``."""

    async def publish(self, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        """Append ``entries`` in order for each subject. Returns their ids once all of them are stored.

        After an error some may be published, but none without its predecessors in its subject.
        """

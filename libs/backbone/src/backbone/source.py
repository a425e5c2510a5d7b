"""What the processor needs from a broker. Everything else about entries is the same on all of them."""

from collections.abc import Sequence
from typing import Protocol

from backbone.dead_letters import DeadLetter
from backbone.events import RawEntry
from backbone.failures import Failures


class Source(Protocol):
    """Where the entries of one stream come from, for one consumer group.

    Redis: :class:`backbone.redis_streams.group.Group`. Kafka: :class:`backbone.kafka.partitions.Partitions`.
    """

    @property
    def system(self) -> str:
        """``messaging.system`` of OpenTelemetry: ``redis`` or ``kafka``."""

    @property
    def stream(self) -> str: ...

    @property
    def name(self) -> str:
        """The name of the consumer group."""

    @property
    def failures(self) -> Failures: ...

    async def fetch(self, entry_ids: Sequence[str]) -> list[RawEntry]:
        """Read entries again, in the given order, without those that no longer exist."""

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """Acknowledge entries, after their effects have committed."""

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Move entries to the dead letters and acknowledge them. Writes no dead letter twice."""

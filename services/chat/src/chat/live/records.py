"""What is known of facts while they are followed."""

from dataclasses import dataclass


@dataclass(slots=True)
class LiveFact:
    """A fact as it was read. ``data`` is its JSON, undecoded; ``sequence`` counts those of its subject."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: int
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of memory, roughly: its data, and 1 KB for all the rest."""
        return len(self.data) + 1_000

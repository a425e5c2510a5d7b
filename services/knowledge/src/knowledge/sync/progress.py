"""How far a sync is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from knowledge.embeddings import estimate_tokens


@dataclass(slots=True)
class Progress:
    """Counts so far. ``underway`` is the share of files that are read and partly embedded."""

    files_read: int = 0
    files_to_read: int = 0
    chunks_embedded: int = 0
    tokens: int = 0
    underway: float = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> bool:
        return self.files_read == self.files_to_read

    def add_embedded(self, texts: Sequence[str]) -> None:
        self.chunks_embedded += len(texts)
        self.tokens += estimate_tokens(texts)

    def rate(self) -> float:
        """Chunks embedded a second, since the reading began."""
        return round(self.chunks_embedded / max(time.monotonic() - self.started, 0.001), 1)

    def seconds_left(self) -> float | None:
        """At the pace so far, file by file; ``None`` while there is no pace yet."""
        if self.done:
            return 0.0
        finished = self.files_read + self.underway
        if not finished:
            return None
        elapsed = time.monotonic() - self.started
        return round(elapsed * (self.files_to_read - finished) / finished, 1)

    def to_json(self) -> dict[str, Any]:
        """As jobs, facts and HTTP show it."""
        return {
            "filesRead": self.files_read,
            "filesToRead": self.files_to_read,
            "chunksEmbedded": self.chunks_embedded,
            "tokens": self.tokens,
            "rate": self.rate(),
            "secondsLeft": self.seconds_left(),
        }

"""A sync's progress."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.knowledge import SyncPhase
from knowledge.embeddings import estimate_tokens


@dataclass(slots=True)
class Progress:
    """Counts so far. First files are read and their chunks embedded; then rows are written, as fast as the
    index takes them. ``underway`` is the share of files that are read and partly embedded; ``rows_under_way``
    are rows that the current COPY has written."""

    files_read: int = 0
    files_to_read: int = 0
    chunks_embedded: int = 0
    tokens: int = 0
    underway: float = 0
    rows_written: int = 0
    rows_under_way: int = 0
    rows_to_write: int = 0
    phase: SyncPhase = "reading"
    phase_began: float = field(default_factory=time.monotonic)
    rows_seen: float = 0
    """When the number of rows last grew: Postgres writes and counts them by the thousand."""

    @property
    def done(self) -> bool:
        """Whether the phase is complete."""
        return self._finished() == self._whole()

    def add_embedded(self, texts: Sequence[str]) -> None:
        """Count these embedded texts."""
        self.chunks_embedded += len(texts)
        self.tokens += estimate_tokens(texts)

    def begin_writing(self, rows: int) -> None:
        """Everything is read; ``rows`` must be written."""
        self.phase, self.phase_began = "writing", time.monotonic()
        self.rows_seen = self.phase_began
        self.rows_written, self.rows_under_way, self.rows_to_write = 0, 0, rows

    def add_written(self, rows: int) -> None:
        """A COPY is finished."""
        self.rows_written, self.rows_under_way = self.rows_written + rows, 0
        self.rows_seen = time.monotonic()

    def see_under_way(self, rows: int) -> None:
        """The current COPY has written ``rows`` so far."""
        if rows != self.rows_under_way:
            self.rows_under_way, self.rows_seen = rows, time.monotonic()

    def rate(self) -> float:
        """Chunks a second since the phase began: embedded, then written."""
        if self.phase == "writing":
            return round(self._written() / max(self.rows_seen - self.phase_began, 0.001), 1)
        return round(self.chunks_embedded / max(time.monotonic() - self.phase_began, 0.001), 1)

    def seconds_left(self) -> float | None:
        """Seconds left in this phase, at its speed so far, by files or rows; ``None`` while the speed is
        unknown."""
        if self.done:
            return 0.0
        finished, now = self._finished(), time.monotonic()
        if not finished:
            return None
        share = (self._whole() - finished) / finished
        if self.phase == "writing":
            left = (self.rows_seen - self.phase_began) * share - (now - self.rows_seen)
            if left > 0:
                return round(left, 1)
        return round((now - self.phase_began) * share, 1)

    def to_json(self) -> dict[str, Any]:
        """The JSON in jobs, facts and HTTP."""
        return {
            "phase": self.phase,
            "filesRead": self.files_read,
            "filesToRead": self.files_to_read,
            "chunksEmbedded": self.chunks_embedded,
            "tokens": self.tokens,
            "rowsWritten": self._written(),
            "rowsToWrite": self.rows_to_write,
            "rate": self.rate(),
            "secondsLeft": self.seconds_left(),
        }

    def _finished(self) -> float:
        return self._written() if self.phase == "writing" else self.files_read + self.underway

    def _written(self) -> int:
        return self.rows_written + self.rows_under_way

    def _whole(self) -> int:
        return self.rows_to_write if self.phase == "writing" else self.files_to_read

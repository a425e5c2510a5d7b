"""How far a sync is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from common.contracts.knowledge import SyncPhase
from knowledge.embeddings import estimate_tokens


@dataclass(slots=True)
class Progress:
    """Counts so far. Files are read and their chunks embedded; then rows are written, as fast as the index
    takes them. ``underway`` is the share of files that are read and partly embedded."""

    files_read: int = 0
    files_to_read: int = 0
    chunks_embedded: int = 0
    tokens: int = 0
    underway: float = 0
    rows_written: int = 0
    rows_to_write: int = 0
    phase: SyncPhase = "reading"
    phase_began: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> bool:
        """Whether this is the end of the phase."""
        return self._finished() == self._whole()

    def add_embedded(self, texts: Sequence[str]) -> None:
        self.chunks_embedded += len(texts)
        self.tokens += estimate_tokens(texts)

    def begin_writing(self, rows: int) -> None:
        """Everything is read, and ``rows`` are to be written."""
        self.phase, self.phase_began = "writing", time.monotonic()
        self.rows_written, self.rows_to_write = 0, rows

    def rate(self) -> float:
        """Chunks a second since the phase began: embedded, then written."""
        chunks = self.rows_written if self.phase == "writing" else self.chunks_embedded
        return round(chunks / max(time.monotonic() - self.phase_began, 0.001), 1)

    def seconds_left(self) -> float | None:
        """Of this phase, at its pace so far, by files or rows; ``None`` while there is no pace yet."""
        if self.done:
            return 0.0
        finished = self._finished()
        if not finished:
            return None
        elapsed = time.monotonic() - self.phase_began
        return round(elapsed * (self._whole() - finished) / finished, 1)

    def to_json(self) -> dict[str, Any]:
        """As jobs, facts and HTTP show it."""
        return {
            "phase": self.phase,
            "filesRead": self.files_read,
            "filesToRead": self.files_to_read,
            "chunksEmbedded": self.chunks_embedded,
            "tokens": self.tokens,
            "rowsWritten": self.rows_written,
            "rowsToWrite": self.rows_to_write,
            "rate": self.rate(),
            "secondsLeft": self.seconds_left(),
        }

    def _finished(self) -> float:
        return self.rows_written if self.phase == "writing" else self.files_read + self.underway

    def _whole(self) -> int:
        return self.rows_to_write if self.phase == "writing" else self.files_to_read

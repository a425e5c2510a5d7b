"""A sync's progress."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.knowledge import SyncPhase
from knowledge.embeddings import estimate_tokens


@dataclass(slots=True)
class Progress:
    """Counts so far. First files are read and their chunks embedded; then rows are written, as fast as the
    index takes them. ``files_read`` are those whose chunks are embedded; ``rows_under_way`` are rows that the
    current COPY has written."""

    files_read: int = 0
    files_to_read: int = 0
    chunks_embedded: int = 0
    tokens: int = 0
    rows_written: int = 0
    rows_under_way: int = 0
    rows_to_write: int = 0
    phase: SyncPhase = "reading"
    phase_began: float = field(default_factory=time.monotonic)
    rows_seen: float = 0
    """When the number of rows last grew: Postgres writes and counts them by the thousand."""
    _ahead: deque[tuple[int, int]] = field(default_factory=deque)
    """Files and chunks that will be done together, each as the total by then."""
    _behind: int = 0
    """Chunks of the files that are done."""

    @property
    def done(self) -> bool:
        """Whether the phase is complete."""
        return self._finished() == self._whole()

    def add_embedded(self, texts: Sequence[str]) -> None:
        """Count these embedded texts."""
        self.chunks_embedded += len(texts)
        self.tokens += estimate_tokens(texts)
        self._count_files()

    def add_read(self, files: int, texts: int) -> None:
        """Count ``files`` that are read, once ``texts`` more are embedded."""
        before, embedded = self._ahead[-1] if self._ahead else (self.files_read, self._behind)
        self._ahead.append((before + files, embedded + texts))
        self._count_files()

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

    def counts(self) -> tuple[object, ...]:
        """What has been done: the same for as long as nothing is."""
        return self.phase, self.files_read, self.chunks_embedded, self._written()

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
            "filesRead": int(self._read()),
            "filesToRead": self.files_to_read,
            "chunksEmbedded": self.chunks_embedded,
            "tokens": self.tokens,
            "rowsWritten": self._written(),
            "rowsToWrite": self.rows_to_write,
            "rate": self.rate(),
            "secondsLeft": self.seconds_left(),
        }

    def _finished(self) -> float:
        return self._written() if self.phase == "writing" else self._read()

    def _count_files(self) -> None:
        while self._ahead and self._ahead[0][1] <= self.chunks_embedded:
            self.files_read, self._behind = self._ahead.popleft()

    def _read(self) -> float:
        """Files, the next ones by the share of their chunks that is embedded."""
        if not self._ahead:
            return self.files_read
        files, chunks = self._ahead[0]
        share = (self.chunks_embedded - self._behind) / (chunks - self._behind)
        return self.files_read + (files - self.files_read) * share

    def _written(self) -> int:
        return self.rows_written + self.rows_under_way

    def _whole(self) -> int:
        return self.rows_to_write if self.phase == "writing" else self.files_to_read

"""What one file may cost."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class ReaderLimits:
    """``cpu_seconds``, ``seconds`` (by the clock) and ``memory_bytes`` hold for a reader's process and one
    file; ``text`` are the characters of a file's text and ``chunks`` the pieces that it is cut into."""

    processes: int = 2
    cpu_seconds: int = 30
    seconds: float = 120.0
    memory_bytes: int = 1 << 30
    text: int = 5_000_000
    chunks: int = 10_000

    @property
    def answer_bytes(self) -> int:
        """The most that a process may answer: its text as JSON, each character in up to two chunks, or the
        addresses of a sitemap."""
        return 12 * self.text + 64 * 1024 * 1024

"""What the reader of a format makes of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_FILE_BYTES = 10 * 1024 * 1024
"""Larger files are data rather than documents, unless a setting says otherwise."""


class UnsupportedContent(ValueError):
    """The bytes aren't text. Deterministic: the same content is refused every time."""


class FileUnreadable(Exception):
    """A file could not be fetched as listed. The message says why. Other files are not affected, and this one
    is tried again at the next sync."""


@dataclass(slots=True, frozen=True)
class Document:
    """A text, and the file's own title, description and front matter. ``note``: what could not be read of
    it."""

    text: str
    title: str = ""
    description: str = ""
    note: str = ""
    front_matter: Mapping[str, str | list[str]] = field(default_factory=dict)

    def to_text(self) -> str:
        """The indexed text: title and description come first, unless the text already begins with them."""
        first, _, rest = self.text.lstrip().partition("\n")
        titled = first.lstrip("# ").strip().casefold() == self.title.strip().casefold()
        lead = first if titled and self.title else f"# {self.title}" if self.title else ""
        described = not self.description or self.description in self.text[:2000]
        if described and (not lead or titled):
            return self.text
        body = rest if lead and titled else self.text
        parts = [lead, "" if described else self.description, body.strip("\n")]
        return "\n\n".join(part for part in parts if part.strip())


def check_size(size: int, max_bytes: int) -> None:
    """Raises :class:`UnsupportedContent` for a file of more than ``max_bytes``."""
    if size > max_bytes:
        limit = f"{max_bytes // 2**20} MB" if max_bytes >= 2**20 else f"{max_bytes:,} bytes"
        raise UnsupportedContent(f"the file is larger than {limit}")

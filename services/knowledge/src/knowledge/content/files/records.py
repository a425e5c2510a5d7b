"""What is known of a file, and what its content yields."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from uuid import UUID

from knowledge.content.chunks.records import Page, Passage

Outcome: TypeAlias = Literal["indexed", "empty", "unsupported", "failed"]
"""``unsupported``: the content isn't text and would be refused again. ``failed``: it wasn't fetched."""


@dataclass(slots=True, frozen=True)
class FileState:
    """What is known of a file: the content it was last read from, and the rows made from that."""

    path: str
    content_sha: str
    outcome: Outcome
    reason: str | None
    chunk_ids: tuple[UUID, ...]


ContentKey: TypeAlias = tuple[str, str]
"""A content's hash and the format it is read as. Two files that share both have the same text."""


@dataclass(slots=True, frozen=True)
class Content:
    """What a content yields, in any file: what its chunks hold, or why it has none. With passages,
    ``reason`` says which parts could not be read."""

    outcome: Outcome
    reason: str | None
    passages: Sequence[Passage] = ()
    page: Page = field(default_factory=Page)

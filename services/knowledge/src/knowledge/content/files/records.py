"""What is known of a file, and what its content comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

Outcome: TypeAlias = Literal["indexed", "empty", "unsupported", "failed"]
"""``unsupported``: the content is no text, and would be refused again. ``failed``: it wasn't fetched."""


@dataclass(slots=True, frozen=True)
class FileState:
    """What is known of a file: the content it was last read from and the rows which that became."""

    path: str
    content_sha: str
    outcome: Outcome
    reason: str | None
    chunk_ids: tuple[UUID, ...]


ContentKey: TypeAlias = tuple[str, str]
"""A content's hash and the format that it is read as: two files that share it have the same text."""


@dataclass(slots=True, frozen=True)
class Content:
    """What a content comes to, in whatever file it is: its chunks' texts, or why it has none."""

    outcome: Outcome
    reason: str | None
    texts: Sequence[str]

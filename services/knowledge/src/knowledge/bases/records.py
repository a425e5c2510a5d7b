"""A knowledge base inside the service, and how lists show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Origin: TypeAlias = Literal["settings", "job", "api"]
State: TypeAlias = Literal["idle", "queued", "syncing", "failed"]


def largest_overlap(chunk_size: int) -> int:
    """Half a chunk: beyond that a text becomes many times itself."""
    return chunk_size // 2


@dataclass(slots=True, frozen=True)
class KnowledgeBase:
    """What is indexed. Chunk sizes are in characters. A base without an owner is public, and only the
    settings file or the Node application's jobs change it."""

    id: str
    name: str
    description: str
    source: str
    version: str
    extensions: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    chunk_size: int
    chunk_overlap: int
    refresh_schedule: str | None
    origin: Origin
    owner: str | None = None
    public: bool = True

    def visible_to(self, user_id: str) -> bool:
        """Whether the user may read it: it is public, or the user's own."""
        return self.public or self.owner == user_id


@dataclass(slots=True, frozen=True)
class BaseView:
    """A base as ``GET /api/knowledge-bases`` shows it. ``document_count`` counts source files; ``state`` is
    that of its syncs; ``last_error`` is the error of the latest finished sync, if it failed.
    ``notices`` are what its people should know about its source."""

    id: str
    name: str
    description: str
    version: str
    document_count: int
    last_commit_sha: str | None
    last_synced_at: datetime | None
    refresh_schedule: str | None
    source: str
    state: State
    last_error: str | None
    notices: Sequence[str]

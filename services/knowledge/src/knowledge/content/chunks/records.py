"""A chunk of a file: one row of ``knowledge_embeddings``."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(slots=True, frozen=True)
class Chunk:
    """A row to be written. ``id`` is derived from everything in the row except its place in the file;
    ``content_hash`` is SHA-256."""

    id: UUID
    path: str
    index: int
    total: int
    content: str
    content_hash: bytes


def metadata_of(path: str, index: int, total: int) -> dict[str, Any]:
    """A row's metadata, in the Node application's form."""
    return {"sourceFile": path, "chunkIndex": index, "totalChunks": total}

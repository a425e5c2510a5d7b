"""Cuts a file into chunks that are identified by their content. Pure."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from common import codec
from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks.records import Chunk


def chunk_file(base: KnowledgeBase, fingerprint: str, path: str, texts: Sequence[str]) -> list[Chunk]:
    """The chunks of one file.

    A chunk's place in the file isn't part of its id. A paragraph at the end of a file changes ``totalChunks``
    of all chunks, one at its beginning ``chunkIndex`` too, and an UPDATE of only these leaves the HNSW index
    unchanged. On half-full pages (revision 019) it takes 0.1 ms a row; deleting and inserting takes 1.7 to 8
    (200 chunks of a file among 5,000, measured).
    """
    chunks = []
    before: Counter[bytes] = Counter()
    for index, text in enumerate(texts):
        content_hash = hashlib.sha256(text.encode()).digest()
        row = [fingerprint, base.id, base.version, path, before[content_hash], content_hash.hex()]
        before[content_hash] += 1
        digest = hashlib.sha256(codec.dumps(row)).digest()
        chunks.append(Chunk(UUID(bytes=digest[:16], version=5), path, index, len(texts), text, content_hash))
    return chunks

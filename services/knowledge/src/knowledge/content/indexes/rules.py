"""Fingerprints: whether stored rows were made with today's rules, from today's files. Pure."""

import hashlib
from collections.abc import Sequence

from common import codec
from knowledge.bases.records import KnowledgeBase
from knowledge.documents import MAX_FILE_BYTES, READERS
from knowledge.embeddings import Embedder

CHUNKER = "outline-1"
"""Names the chunker's rules. Change it with them; every base is then rebuilt at its next sync."""


def fingerprint_of(base: KnowledgeBase, embedder: Embedder, max_file_bytes: int = MAX_FILE_BYTES) -> str:
    """64 hex digits over everything that turns a file into rows: readers, model and what it reads of a
    text, chunker, chunk sizes, largest file."""
    window = embedder.window
    read = [window.tokens, window.digest()] if window else []
    sizes = [base.chunk_size, base.chunk_overlap, max_file_bytes]
    return _sha256([READERS, CHUNKER, embedder.model, *read, *sizes])


def definition_of(base: KnowledgeBase) -> str:
    """64 hex digits over everything that selects the base's files."""
    return _sha256([base.source, base.extensions, base.include, base.exclude])


def _sha256(parts: Sequence[object]) -> str:
    return hashlib.sha256(codec.dumps(parts)).hexdigest()

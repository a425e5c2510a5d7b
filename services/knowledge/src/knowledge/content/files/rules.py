"""What files yield, by their content. Pure."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks.chunker import Cutter, Sizes, TooManyChunks
from knowledge.content.chunks.outline import outline_of
from knowledge.content.chunks.records import Chunk
from knowledge.content.chunks.rules import chunk_file
from knowledge.content.files.records import Content, ContentKey, FileState
from knowledge.documents import UnsupportedContent, check_text, format_of, read_file
from knowledge.sources import SourceFile
from knowledge.windows import Window


def content_key(file: SourceFile) -> ContentKey:
    """Files with the same key have the same text."""
    return file.content_sha, format_of(file.name)


def read_texts(
    content: bytes,
    name: str,
    sizes: tuple[int, int],
    max_bytes: int,
    max_text: int,
    max_chunks: int,
    window: tuple[int, str | None] | None = None,
) -> dict[str, Any]:
    """The chunks' ``texts`` of a file called ``name`` with the ``headings`` of each, its ``title`` and
    ``frontMatter``, and a ``note`` of what could not be read. ``sizes`` are those of a chunk and of the
    overlap; ``window`` has the values of a :class:`Window`.

    Raises ``UnsupportedContent``. For a reader's process: it takes time.
    """
    read = read_file(name, content, max_bytes=max_bytes)
    text = check_text(read.text, max_text)
    outline = outline_of(text, markdown=format_of(name) != "")
    cutter = Cutter(text, Sizes(*sizes), outline, Window(*window) if window else None)
    try:
        spans = cutter.cut(max_chunks)
    except TooManyChunks as error:
        raise UnsupportedContent(f"the file has {error}") from error
    return {
        "texts": [text[start:end] for start, end in spans],
        "headings": [outline.path_of(text, start) for start, _ in spans],
        "title": outline.title,
        "frontMatter": read.front_matter,
        "note": read.note,
    }


def files_of(
    base: KnowledgeBase,
    fingerprint: str,
    window: Window | None,
    files: Sequence[SourceFile],
    content: Content,
) -> list[tuple[FileState, list[Chunk]]]:
    """The state and the chunks of each of ``files``, which have this content, for a model that reads
    ``window``."""
    made = []
    for file in files:
        chunks = chunk_file(base, fingerprint, file.path, content.page, content.passages, window)
        ids = tuple(chunk.id for chunk in chunks)
        made.append((FileState(file.path, file.content_sha, content.outcome, content.reason, ids), chunks))
    return made


def unsupported_file(file: SourceFile, reason: str) -> FileState:
    """The state of a file without text: no rows, and it isn't read again until it changes."""
    return FileState(file.path, file.content_sha, "unsupported", reason, ())


def failed_file(
    file: SourceFile, reason: str, known: FileState | None, existing: Collection[UUID]
) -> FileState:
    """The state of a file that could not be fetched: it keeps its rows, and is read again next time."""
    kept = tuple(chunk_id for chunk_id in known.chunk_ids if chunk_id in existing) if known else ()
    return FileState(file.path, known.content_sha if known else "", "failed", reason, kept)

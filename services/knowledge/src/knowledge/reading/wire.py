"""JSON of documents."""

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from knowledge.reading.records import Document, Listed, Source
from knowledge.sources.links import link_to

MAX_PATH = 2_000
"""Characters."""

_OWN = frozenset(("sourceFile", "chunkIndex", "totalChunks", "title", "headings"))
"""Metadata of chunks that isn't the file's, or stands beside."""


class ListedJson(TypedDict):
    """A document in a list: its source file, its number of chunks, and where people read it."""

    path: Annotated[str, Field(examples=["docs/install.md"])]
    title: str | None
    chunks: int
    link: str | None


class DocumentJson(ListedJson):
    """A document, or a part of it. ``text`` is that of the chunks from number ``firstChunk`` on; what follows
    begins at ``nextChunk``, ``null`` at the end. ``metadata`` has ``frontMatter`` and whatever else is known
    of the file."""

    knowledgeBaseId: str
    version: str
    text: str
    firstChunk: int
    nextChunk: int | None
    metadata: dict[str, Any]


def listed_json(document: Listed, source: Source) -> ListedJson:
    """A document in a list."""
    return {
        "path": document.path,
        "title": document.title,
        "chunks": document.chunks,
        "link": link_to(source.origin, document.path),
    }


def document_json(document: Document) -> DocumentJson:
    """A document, or a part of it."""
    title = document.metadata.get("title")
    return {
        "path": document.path,
        "title": title if isinstance(title, str) else None,
        "chunks": document.total,
        "link": link_to(document.source.origin, document.path),
        "knowledgeBaseId": document.source.base_id,
        "version": document.source.version,
        "text": document.text,
        "firstChunk": document.start,
        "nextChunk": document.end if document.end < document.total else None,
        "metadata": {name: value for name, value in document.metadata.items() if name not in _OWN},
    }

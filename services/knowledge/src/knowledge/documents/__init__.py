"""From a file's bytes to the text that is indexed. A file's name decides its format.

What is refused here is refused permanently: the same bytes give the same answer. Only the
readers' processes call this (:mod:`knowledge.readers`), within limits of time and memory.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeAlias

from knowledge.documents.document import (
    MAX_FILE_BYTES,
    Document,
    FileUnreadable,
    UnsupportedContent,
    check_size,
)
from knowledge.documents.encoding import decode_text
from knowledge.documents.front_matter import bounded_front_matter
from knowledge.documents.html import html_to_document
from knowledge.documents.invisible import storable
from knowledge.documents.markdown import markdown_to_document
from knowledge.documents.mdx import mdx_to_document
from knowledge.documents.notebook import notebook_to_document
from knowledge.documents.pdf import pdf_to_document

__all__ = [
    "MAX_FILE_BYTES",
    "READERS",
    "Document",
    "FileUnreadable",
    "UnsupportedContent",
    "check_size",
    "check_text",
    "decode_text",
    "format_of",
    "read_document",
    "read_file",
    "read_noted",
    "storable",
]

READERS = "documents-3"
"""Names the rules of this package. Change it with them; every base is then rebuilt at its next sync."""

Read: TypeAlias = Callable[[bytes], Document]

_LFS_POINTER = re.compile(rb"\A(?:\xef\xbb\xbf)?version https://(?:git-lfs|hawser)\.github\.com/spec/v1\r?\n")
_LONGEST_POINTER = 1024


def _plain(content: bytes) -> Document:
    return Document(decode_text(content))


_BY_EXTENSION: dict[str, Read] = {
    ".md": lambda content: markdown_to_document(decode_text(content)),
    ".markdown": lambda content: markdown_to_document(decode_text(content)),
    ".mdx": lambda content: mdx_to_document(decode_text(content)),
    ".ipynb": lambda content: notebook_to_document(decode_text(content)),
    ".html": html_to_document,
    ".htm": html_to_document,
    ".xhtml": html_to_document,
    ".pdf": pdf_to_document,
}


def format_of(name: str) -> str:
    """What decides how a file called ``name`` is read. Files with the same content and format have the same
    text."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in _BY_EXTENSION else ""


def read_document(name: str, content: bytes, *, max_bytes: int = MAX_FILE_BYTES) -> str:
    """The text of :func:`read_noted`."""
    return read_noted(name, content, max_bytes=max_bytes)[0]


def read_noted(name: str, content: bytes, *, max_bytes: int = MAX_FILE_BYTES) -> tuple[str, str]:
    """The text and the note of :func:`read_file`."""
    read = read_file(name, content, max_bytes=max_bytes)
    return read.text, read.note


@dataclass(slots=True, frozen=True)
class FileText:
    """What is indexed of a file: its text and its front matter; ``note`` says which parts could not be read.
    Each is empty if there is none."""

    text: str = ""
    note: str = ""
    front_matter: Mapping[str, str | list[str]] = field(default_factory=dict)


def read_file(name: str, content: bytes, *, max_bytes: int = MAX_FILE_BYTES) -> FileText:
    """What is indexed of ``content``, a file called ``name``.

    Markdown, MDX, notebooks, HTML and PDF are recognised by extension; everything else, including source
    code, is indexed as plain text. The text is what :func:`storable` makes of it.
    CPU-bound: don't call it on the event loop.

    Raises :class:`UnsupportedContent` if it has no text, or a parser can't read it.
    """
    check_size(len(content), max_bytes)
    if not content:
        return FileText()
    if len(content) < _LONGEST_POINTER and _LFS_POINTER.match(content):
        raise UnsupportedContent("the file is kept in Git LFS; the repository has only its pointer")
    read = _BY_EXTENSION.get(format_of(name), _plain)
    try:
        document = read(content)
    except (UnsupportedContent, MemoryError):
        raise
    except RecursionError as error:
        raise UnsupportedContent("the file is nested too deeply") from error
    except Exception as error:  # a parser's defect is this file's alone, and will be there next time
        raise UnsupportedContent(f"{type(error).__name__}: {error}"[:300]) from error
    front_matter = bounded_front_matter(document.front_matter)
    return FileText(storable(document.to_text()), document.note, front_matter)


def check_text(text: str, most: int) -> str:
    """``text``. Raises :class:`UnsupportedContent` for more than ``most`` characters."""
    if len(text) > most:
        raise UnsupportedContent(f"the file holds more than {most:,} characters of text")
    return text

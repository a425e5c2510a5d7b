"""Markdown: front matter gives title and description, and isn't part of the text."""

from knowledge.documents.document import Document
from knowledge.documents.front_matter import split_front_matter


def markdown_to_document(text: str) -> Document:
    """The text below the front matter. If what stands between two rules isn't a mapping, it is text."""
    values, body = split_front_matter(text)
    return titled(values, body)


def titled(values: dict[str, str], text: str) -> Document:
    """``text`` with the title and description of its front matter. Each is one line."""
    title, description = (" ".join(values.get(key, "").split()) for key in ("title", "description"))
    return Document(text, title, description)

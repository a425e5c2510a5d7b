"""A page of a website: what HTTP says of it comes before what its name says."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from knowledge.documents import UnsupportedContent, check_text, read_noted, storable
from knowledge.documents.html import html_to_document

_NAMES = {"application/pdf": "a.pdf", "text/markdown": "a.md", "text/plain": "a.txt"}
_OPAQUE = ("application/octet-stream", "application/json")


def read_page(content: bytes, url: str, content_type: str, max_bytes: int, max_text: int) -> dict[str, str]:
    """The ``text`` of an answer, by its content type, or by its name where that says nothing, and a ``note``
    of what could not be read.

    Raises ``UnsupportedContent``.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        charset = parameters.partition("charset=")[2].split(";")[0].strip(" \"'")
        text = storable(html_to_document(content, charset or None).to_text())
        return {"text": check_text(text, max_text), "note": ""}
    if kind and kind not in _NAMES and not kind.startswith("text/") and kind not in _OPAQUE:
        raise UnsupportedContent(f"the page is {kind}")
    name = _NAMES.get(kind, PurePosixPath(urlsplit(url).path).name)
    text, note = read_noted(name, content, max_bytes=max_bytes)
    return {"text": check_text(text, max_text), "note": note}

"""HTML to Markdown-like text: what a reader of the page sees, without its navigation."""

from knowledge.documents.document import Document
from knowledge.documents.html.charset import decode_page
from knowledge.documents.html.main_part import keep_main_part
from knowledge.documents.html.navigation import remove_navigation
from knowledge.documents.html.text import text_of
from knowledge.documents.html.tree import parse_page


def html_to_document(content: bytes, charset: str | None = None) -> Document:
    """Title, description and text of a page. ``charset`` is the one in HTTP's header, which overrides the
    page's own.

    Raises ``UnsupportedContent`` for binary content and for pages with too many tags or levels.
    """
    source = decode_page(content, charset)
    if "<" not in source:
        return Document(source)
    page = parse_page(source)
    keep_main_part(page.body, remove_navigation(page.body))
    return Document(text_of(page.body), page.title, page.description)

"""HTML to Markdown-like text: the main part of a page, without its navigation, scripts and styles."""

import re

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EncodingDetector
from markdownify import MarkdownConverter

from knowledge.documents.document import Document, UnsupportedContent
from knowledge.documents.encoding import decode_text

_NO_TEXT = frozenset(
    (
        *("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas"),
        *("form", "button", "dialog", "nav", "aside", "title"),
    )
)
"""Not ``head``: libxml2, which doesn't know ``<main>``, puts it there on a page without ``<body>``."""

_NO_TEXT_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "complementary"))
MAX_TAGS = 100_000
"""Pages with more are data, and would take the parser minutes."""

MOST_COLUMNS = 50
"""Cells that claim more are one column each: a few would fill megabytes with rules."""

_LARGEST_NUMBER = 9  # digits

_XML_PROLOGUE = re.compile(r"\A\s*<\?xml[^>]*\?>")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")


class _Converter(MarkdownConverter):
    """Text for search: a link becomes its words, an image its description."""

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return str(el.get("alt") or "")


_CONVERTER = _Converter(heading_style="ATX", bullets="-", escape_misc=False, escape_asterisks=False,
                        escape_underscores=False, wrap=False)  # fmt: skip


def html_to_document(content: bytes, charset: str | None = None) -> Document:
    """Title, description and main text of a page. ``charset`` is the one in HTTP's header, which overrides
    the page's own.

    Raises :class:`UnsupportedContent` for binary content and for pages that can't be parsed.
    """
    source = _XML_PROLOGUE.sub("", _decode(content, charset))
    tags = source.count("<")
    if not tags:
        return Document(source)
    if tags > MAX_TAGS:
        raise UnsupportedContent(f"the page has more than {MAX_TAGS:,} tags")
    try:
        soup = BeautifulSoup(source, "lxml")
        title = _title(soup)
        description = _description(soup)
        main = _main(soup)
        _bound_numbers(main)
        text = _CONVERTER.convert_soup(main)
    except RecursionError as error:
        raise UnsupportedContent("the page is nested too deeply") from error
    return Document(_BLANK_LINES.sub("\n\n", text).strip("\n"), title, description)


def _decode(content: bytes, charset: str | None) -> str:
    declared = charset or EncodingDetector.find_declared_encoding(content[:4096], is_html=True)
    if declared and b"\x00" not in content:
        try:
            return content.decode(declared, errors="replace").lstrip("\ufeff")
        except LookupError:
            pass  # an unknown encoding is ignored
    return decode_text(content, max_bytes=len(content))


def _title(soup: BeautifulSoup) -> str:
    return " ".join(soup.title.get_text().split()) if soup.title else ""


def _description(soup: BeautifulSoup) -> str:
    for selector in ('meta[name="description" i]', 'meta[property="og:description"]'):
        tag = soup.select_one(selector)
        if tag and tag.get("content"):
            return " ".join(str(tag["content"]).split())
    return ""


def _main(soup: BeautifulSoup) -> Tag:
    """The part that a reader wants: ``main``, a lone ``article``, else the body without navigation and the
    like."""
    for tag in soup.find_all(_is_no_text):
        if not tag.decomposed:  # removed together with its parent
            tag.decompose()
    articles = soup.find_all("article", limit=2)
    main = soup.find(_is_main) or (articles[0] if len(articles) == 1 else None)
    if main and main.get_text(strip=True):
        return main
    body = soup.body or soup
    for tag in body.find_all(["header", "footer"], recursive=False):
        tag.decompose()
    return body


def _bound_numbers(main: Tag) -> None:
    """Take away the numbers that the converter would multiply by, or not get through."""
    for cell in main.find_all(["td", "th"], colspan=True):
        columns = str(cell["colspan"])
        if len(columns) > _LARGEST_NUMBER or (columns.isdigit() and int(columns) > MOST_COLUMNS):
            del cell["colspan"]
    for numbered in main.find_all("ol", start=True):
        start = str(numbered["start"])
        if len(start) > _LARGEST_NUMBER or not start.isdecimal():
            del numbered["start"]


def _is_no_text(tag: Tag) -> bool:
    return tag.name in _NO_TEXT or tag.get("role") in _NO_TEXT_ROLES or tag.get("aria-hidden") == "true"


def _is_main(tag: Tag) -> bool:
    return tag.name == "main" or tag.get("role") == "main"

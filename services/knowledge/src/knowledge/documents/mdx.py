"""MDX: Markdown with JavaScript. The page's code is removed; what a reader sees of it stays.

What is Markdown is read as Markdown. Where an ``import``, a tag or an expression ends, the JavaScript grammar
says (:mod:`knowledge.documents.javascript`). A page that the MDX compiler would refuse loses nothing: what is
no JavaScript stays text.
"""

import html
import re

from knowledge.documents.document import Document
from knowledge.documents.front_matter import split_front_matter
from knowledge.documents.javascript import Javascript
from knowledge.documents.javascript_text import is_shown
from knowledge.documents.markdown import CONSTRUCTS, MarkdownScanner, titled

_MDX = re.compile(
    "|".join(
        (
            *CONSTRUCTS,
            r"^(?P<module>(?:import|export)(?=[\s{*\"']))",
            r"(?P<closing></\s*[\w$.:-]*\s*>)",
            r"(?P<tag><(?=[\w$>]))",
            r"(?P<expression>\{)",
        )
    ),
    re.MULTILINE,
)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_BEFORE_BLOCK = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*\Z")
_ENDS_ITSELF = re.compile(r"\s*\Z| {0,3}#{1,6}(?:\s|\Z)")
"""A line after which no paragraph goes on: a blank one, or a heading."""

_BARE_TAG = re.compile(r"<[\w$.:-]*\s*/?>")
_HTML_TAG = re.compile(
    r"<[A-Za-z][\w.:-]*"
    r"(?:\s+[^\s\"'<>/={}]+(?:\s*=\s*(?:[^\s\"'=<>`{}]+|'[^']*'|\"[^\"]*\"))?)*\s*/?>"
)
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\")")
_NAME = re.compile(r"<([\w$.:-]*)")
_CLOSED = re.compile(r"</\s*([\w$.:-]*)")
_VOID = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"),
        *("track", "wbr", "p", "li", "td", "th", "tr"),
    )
)
"""HTML elements that need no end tag."""


def mdx_to_document(text: str) -> Document:
    """The readable text of an MDX file; front matter is read as in Markdown."""
    values, body = split_front_matter(text)
    return titled(values, MdxScanner(body).visible().lstrip("\n"))


class MdxScanner(MarkdownScanner):
    """Markdown in which tags, expressions and modules are code. There is no indented code in MDX."""

    constructs = _MDX
    word_signs = MarkdownScanner.word_signs + "{}"
    has_indented_code = False

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._javascript = Javascript(text)
        self._closed = set(_CLOSED.findall(text))
        self._code_ended = 0

    def tidy(self, prose: str) -> str:
        """What was removed leaves blank lines: no more than one in a row stays, except in code."""
        return _BLANK_LINES.sub("\n\n", super().tidy(prose))

    def construct(self, match: re.Match[str]) -> tuple[str, int]:
        """As in Markdown, and what a reader sees of code."""
        text, start, kind = self.text, match.start(), match.lastgroup
        if kind == "module":
            return self._module(start, match.end())
        if kind == "closing":
            return self._removed("", match.end())
        if kind == "tag":
            return self._tag(start)
        if kind == "expression":
            found = self._javascript.expression(start, self._limit(start))
            return self._removed(*found) if found else (text[start], start + 1)
        return super().construct(match)

    def _removed(self, shown: str, end: int) -> tuple[str, int]:
        """A block's tags may be followed by others on their last line."""
        self._code_ended = end
        return shown, end

    def _module(self, start: int, end: int) -> tuple[str, int]:
        """Only a block of its own is one: in a paragraph, the words are prose."""
        text = self.text
        line_before = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start]
        is_block = start == self._code_ended or _ENDS_ITSELF.match(line_before)
        found = self._javascript.module(start) if is_block else None
        return self._removed(*found) if found else (text[start:end], end)

    def _tag(self, start: int) -> tuple[str, int]:
        """One that nothing closes is a ``List<String>`` of somebody who forgot to escape it."""
        text, limit = self.text, self._limit(start)
        name = _NAME.match(text, start)
        if bare := _BARE_TAG.match(text, start, limit):
            found: tuple[str, int] | None = "", bare.end()
        elif (found := self._javascript.tag(start, limit)) is None:
            tag = _HTML_TAG.match(text, start, limit)
            found = (_shown_in(tag[0]), tag.end()) if tag else None
        if found is None or name is None:
            return text[start], start + 1
        is_open = not text.startswith("/>", found[1] - 2)
        if is_open and name[1] not in self._closed and name[1].lower() not in _VOID:
            return text[start], start + 1
        return self._removed(*found)

    def _limit(self, start: int) -> int:
        """Where what begins here must have ended: one in a paragraph with it, and a block with the text."""
        if _BEFORE_BLOCK.match(self.text, max(self.line, self._code_ended), start):
            return len(self.text)
        return self.end_of_paragraph(start)


def _shown_in(tag: str) -> str:
    """What a reader sees of the attributes of an HTML tag."""
    attributes = ((name, single or double) for name, single, double in _ATTRIBUTE.findall(tag))
    return "".join(f"{html.unescape(value)} " for name, value in attributes if is_shown(value, name))

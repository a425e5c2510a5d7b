"""Markdown: front matter gives title and description, and isn't part of the text."""

import html
import re
from bisect import bisect_left

from knowledge.documents.document import Document
from knowledge.documents.front_matter import FrontMatter, split_front_matter
from knowledge.documents.tables import without_surplus_cells
from knowledge.documents.tags import TAG, Tags

_CONTAINERS = r"(?P<containers>[ \t]*(?:(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))[ \t]*)*)"
CONSTRUCTS = (
    rf"^{_CONTAINERS}(?P<fence>`{{3,}}(?=[^`\n]*$)|~{{3,}}).*\n?",
    r"(?P<ticks>`+)",
    r"(?P<comment><!--)",
    r"^ {0,3}(?P<note>\[(?://|comment|_)\]:[ \t]*(?:#|<>)[ \t]*(?:\(.*\)|\".*\"|'.*')[ \t]*)(?:\n|\Z)",
    r"(?P<escape>\\[!-/:-@\[-`{-~])",
    r"(?P<entity>&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)",
    r"(?P<anchor>\{\#[\w:.-]+\}(?=[ \t]*$))",
)
"""Each is a named group; what begins first in a text is what counts. (``re`` compiles with MULTILINE.)"""

_MARKDOWN = re.compile("|".join((*CONSTRUCTS, TAG)), re.MULTILINE)
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|\Z)")
_BLANK_LINE = re.compile(r"\n[ \t>]*(?=\n)")
_TICKS = re.compile(r"`+")
_INDENTS = ("    ", "\t")


def markdown_to_document(text: str) -> Document:
    """The text below the front matter. If what stands between two rules isn't a mapping, it is text."""
    values, body = split_front_matter(text)
    return titled(values, MarkdownScanner(body).visible())


def titled(values: FrontMatter, text: str) -> Document:
    """``text`` with its front matter. Its title and description are one line each."""
    title, description = (_line(values.get(key, "")) for key in ("title", "description"))
    return Document(text, title, description, front_matter=values)


def _line(value: str | list[str]) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


class MarkdownScanner:
    """The source of Markdown without what a reader never sees: comments, tags and names of headings. Entities
    are the characters that they stand for. Code stays as it is.

    One pass from left to right, since a comment may hold fences, and a fence comments. What doesn't end is
    looked for once, so that the time is proportional to the length.
    """

    constructs = _MARKDOWN
    word_signs = "_<>&+"
    """What stands in words and needs a backslash: ``MAX\\_SIZE`` is the word ``MAX_SIZE``."""

    has_indented_code = True

    def __init__(self, text: str) -> None:
        self.text = text
        self.line = 0
        self._paragraph = (0, 0)
        self._ticks: dict[int, list[int]] = {}
        self._ticks_end = 0
        self._comments_end = "-->" in text
        self._tags = Tags(text)
        self._code_lines = _indented_code(text) if self.has_indented_code else frozenset[int]()

    def visible(self) -> str:
        """The text."""
        out, prose = list[str](), list[str]()
        for shown, is_code in (*self.pieces(), ("", True)):
            if is_code:
                out += [self.tidy("".join(prose)), shown]
                prose.clear()
            else:
                prose.append(shown)
        return "".join(out)

    def tidy(self, prose: str) -> str:
        """What a reader sees of prose between two fenced blocks."""
        return without_surplus_cells(prose)

    def pieces(self) -> list[tuple[str, bool]]:
        """Each piece that is seen, and whether it is a fenced block of code."""
        text, pieces = self.text, list[tuple[str, bool]]()
        at, seen = 0, 0
        while match := self.constructs.search(text, at):
            start = match.start()
            self.line, seen = text.rfind("\n", seen, start) + 1 or self.line, start
            if self.line in self._code_lines:
                end = text.find("\n", start) + 1 or len(text)
                pieces.append((text[at:end], False))
                at = end
                continue
            pieces.append((text[at:start], False))
            shown, end = self.construct(match)
            pieces.append((shown, match.lastgroup == "fence"))
            at = max(end, at + 1)
        pieces.append((text[at:], False))
        return pieces

    def construct(self, match: re.Match[str]) -> tuple[str, int]:
        """What a reader sees of it, and where it ends."""
        text, start, end = self.text, match.start(), match.end()
        kind = match.lastgroup
        if kind == "fence":
            end = self._end_of_fence(match)
        elif kind == "ticks":
            end = self._end_of_code(start, end)
        elif kind == "comment":
            return self._after_comment(start)
        elif kind == "html":
            return self._tags.shown(match)
        elif kind == "entity":
            sign = html.unescape(match[0])
            return r"\|" if sign == "|" else sign, end  # which ends no cell
        elif kind == "escape" and match[0][1] in self.word_signs:
            return match[0][1], end
        elif kind in ("anchor", "note"):
            return "", end
        return text[start:end], end

    def end_of_paragraph(self, start: int) -> int:
        """Where the next blank line begins, or the text ends."""
        first, last = self._paragraph
        if not first <= start < last:
            blank = _BLANK_LINE.search(self.text, start)
            last = blank.start() if blank else len(self.text)
            self._paragraph = (start, last)
        return last

    def _end_of_code(self, start: int, end: int) -> int:
        """After as many ticks as are from ``start`` to ``end``, in the same paragraph; else ``end``."""
        if start >= self._ticks_end:
            self._ticks_end = max(self.end_of_paragraph(start), end)
            self._ticks = {}
            for run in _TICKS.finditer(self.text, start, self._ticks_end):
                self._ticks.setdefault(len(run[0]), []).append(run.start())
        same = self._ticks.get(end - start, [])
        closing = bisect_left(same, end)
        return same[closing] + end - start if closing < len(same) else end

    def _end_of_fence(self, match: re.Match[str]) -> int:
        """After the line that closes it. One in a quotation ends with the quotation, another with the
        text."""
        text, fence = self.text, match["fence"]
        ends = rf"^[ \t>]*{fence[0]}{{{len(fence)},}}[ \t]*(?:\n|\Z)"
        if ">" in match["containers"]:
            ends += r"|^(?![ \t]*>)"
        closing = re.compile(ends, re.MULTILINE).search(text, match.end())
        return closing.end() if closing else len(text)

    def _after_comment(self, start: int) -> tuple[str, int]:
        """A comment that never ends is text: better a few signs too many than a page too few."""
        text = self.text
        closing = text.find("-->", start + 2) if self._comments_end else -1
        if closing < 0:
            self._comments_end = False
            return text[start : start + 4], start + 4
        end = closing + 3
        is_line = start == 0 or text[start - 1] == "\n"
        return "", end + (is_line and text.startswith("\n", end))


def _indented_code(text: str) -> frozenset[int]:
    """Where the lines of indented code begin. In a list, indented lines go on with it."""
    if not any(f"\n{indent}" in text or text.startswith(indent) for indent in _INDENTS):
        return frozenset()
    found, at, is_list, may_begin = set[int](), 0, False, True
    for line in text.splitlines(keepends=True):
        is_blank = line.isspace()
        if not is_blank and not line.startswith(_INDENTS):
            is_list, may_begin = _ITEM.match(line) is not None, False
        elif is_blank:
            may_begin = True
        elif may_begin and not is_list:
            found.add(at)
        elif _ITEM.match(line):
            is_list = True
        at += len(line)
    return frozenset(found)

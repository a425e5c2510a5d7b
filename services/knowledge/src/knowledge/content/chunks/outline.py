"""Where the headings, code blocks and tables of a text are. Pure.

The readers hand over Markdown of Markdown, MDX, HTML, notebooks and PDF. All else is plain text, in which
underlined headings and literal blocks, as of reStructuredText, are found, and nothing that source code has.
"""

import re
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST_HEADING = 120
"""Characters that are kept of one."""

_DEEPEST = 6
_LOOKED_AT = 400
"""Characters of a line: no heading and no fence is longer."""

_SIGN = re.compile(r"\S")
_UNDERLINES = frozenset("=-~^\"'`*+#:._<>")
_LITERAL = (".. code-block::", ".. code::", ".. sourcecode::", ".. parsed-literal::")


@dataclass(slots=True)
class Outline:
    """``starts`` are where headings begin, and ``paths`` the headings in force from there, outermost first.
    ``blocks`` are code and tables, each from its first line to the end of its last; none overlap."""

    starts: list[int] = field(default_factory=list)
    paths: list[tuple[str, ...]] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)
    title: str = ""

    def path_at(self, place: int) -> tuple[str, ...]:
        """The headings that what stands at ``place`` is under."""
        index = bisect_right(self.starts, place) - 1
        return self.paths[index] if index >= 0 else ()

    def path_of(self, text: str, start: int) -> tuple[str, ...]:
        """The headings of a chunk that begins at ``start``: a heading may follow its white space."""
        first = _SIGN.search(text, start, start + _LOOKED_AT)
        return self.path_at(first.start() if first else start)

    def last_heading(self, after: int, before: int) -> int | None:
        """Where the last heading begins that is from ``after`` to before ``before``."""
        index = bisect_left(self.starts, before) - 1
        return self.starts[index] if index >= 0 and self.starts[index] >= after else None

    def first_heading(self, after: int, before: int) -> int | None:
        """Where the first one begins."""
        index = bisect_left(self.starts, after)
        return self.starts[index] if index < len(self.starts) and self.starts[index] < before else None

    def block_over(self, place: int) -> tuple[int, int] | None:
        """The block that a cut at ``place`` would part."""
        index = bisect_left(self.blocks, (place, 0)) - 1
        return self.blocks[index] if index >= 0 and self.blocks[index][1] > place else None


def outline_of(text: str, *, markdown: bool) -> Outline:
    """The outline of a text. Takes time proportional to its length."""
    return (_Markdown() if markdown else _Plain()).read(text)


class _Reading(ABC):
    def __init__(self) -> None:
        self.outline = Outline()
        self._open: list[tuple[int, str]] = []

    @abstractmethod
    def read(self, text: str) -> Outline:
        """The outline of ``text``."""

    def heading(self, start: int, level: int, name: str) -> None:
        """A heading that begins at ``start``. The first of a text is its title if it is of the first
        level."""
        name = " ".join(name.split())[:LONGEST_HEADING].strip()
        if not name:
            return
        outline = self.outline
        if not outline.starts and level == 1:
            outline.title = name
        self._open = [one for one in self._open if one[0] < level][: _DEEPEST - 1]
        self._open.append((level, name))
        outline.starts.append(start)
        outline.paths.append(tuple(one for _, one in self._open))

    def block(self, start: int, end: int) -> None:
        self.outline.blocks.append((start, end))


class _Markdown(_Reading):
    def read(self, text: str) -> Outline:
        fence, fence_start = "", 0
        table_start, rows, end = 0, 0, 0
        before, before_start = "", 0
        for start, end, line in _lines(text):
            bare = line.lstrip(" \t>")
            if fence:
                if bare.startswith(fence) and not bare.strip().strip(fence[0]):
                    self.block(fence_start, end)
                    fence, before = "", ""
                continue
            if not bare.startswith("|"):
                if rows > 1:
                    self.block(table_start, start)
                rows = 0
            elif rows := rows + 1:
                table_start = start if rows == 1 else table_start
            mark = bare.lstrip("-*+0123456789.) \t")
            if mark.startswith(("```", "~~~")) and "`" not in mark.lstrip("`"):
                fence, fence_start = mark[0] * (len(mark) - len(mark.lstrip(mark[0]))), start
            elif line.startswith("#"):
                name = line.lstrip("#")
                level = len(line) - len(name)
                if level <= _DEEPEST and name[:1] in (" ", "\t", ""):
                    self.heading(start, level, name.strip().rstrip("#"))
            elif before and line and line[0] in "=-" and not line.strip().strip(line[0]) and len(line) > 1:
                self.heading(before_start, 1 if line[0] == "=" else 2, before)
            before = line if _may_be_title(line, "#>|-*+<`") else ""
            before_start = start
        if rows > 1:
            self.block(table_start, end)
        return self.outline


class _Plain(_Reading):
    def read(self, text: str) -> Outline:
        levels: list[str] = []
        before, before_start = "", 0
        over, over_end = "", -1
        literal_start, literal_end, indent = -1, 0, 0
        for start, end, line in _lines(text):
            bare = line.strip()
            if literal_start >= 0:
                if not bare or len(line) - len(line.lstrip()) > indent:
                    literal_end = end if bare else literal_end
                    continue
                if literal_end:
                    self.block(literal_start, literal_end)
                literal_start = -1
            if bare.startswith(_LITERAL) or (bare.endswith("::") and not bare.startswith("..")):
                literal_start, literal_end, indent = start, 0, len(line) - len(line.lstrip())
                before = ""
                continue
            is_line = len(bare) > 2 and bare[0] in _UNDERLINES and not bare.strip(bare[0])
            if is_line and line[0] == bare[0]:
                if before and len(bare) >= len(before.strip()):
                    style = (over if before_start == over_end else "") + bare[0]
                    if style not in levels:
                        levels.append(style)
                    self.heading(before_start, levels.index(style) + 1, before)
                else:
                    over, over_end = bare[0], end
                before = ""
                continue
            title = line.lstrip() if start == over_end else line
            before = title if _may_be_title(title, "#") else ""
            before_start = start
        if literal_start >= 0 and literal_end:
            self.block(literal_start, literal_end)
        return self.outline


def _may_be_title(line: str, signs: str) -> bool:
    return 0 < len(line.strip()) < _LOOKED_AT // 2 and not line[0].isspace() and line[0] not in signs


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end (after the line's end) and the beginning of each line."""
    start, length = 0, len(text)
    while start < length:
        end = text.find("\n", start) + 1 or length
        yield start, end, text[start : min(end, start + _LOOKED_AT)].rstrip("\n")
        start = end

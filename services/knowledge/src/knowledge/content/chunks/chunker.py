"""Cuts a text into overlapping chunks. Sizes are in characters (Unicode code points).

A chunk is as long as its size and the model's window allow. It ends at the last good boundary in its second
half: before a heading, else after a paragraph, line, sentence or word. Chinese and Japanese put no space
after a sentence and none between words; there a comma is the next best end. Code and tables that fit into a
chunk are never parted.
"""

import re
import unicodedata
from dataclasses import dataclass

from knowledge.content.chunks.outline import Outline
from knowledge.windows import TokenCounter, Window, lead_of

_CLOSERS = r"[\"'”’)\]」』）］】》〉〕]*"  # noqa: RUF001 - as they are written
_SPACED_ENDS, _UNSPACED_ENDS = ".!?…؟۔।॥։።", "。！？｡"  # noqa: RUF001
_CLAUSE_ENDS = "，、；：､．…"  # noqa: RUF001
_BOUNDARIES = (
    re.compile(r"\n[ \t]*\n+"),
    re.compile(r"\n"),
    re.compile(rf"[{_SPACED_ENDS}]{_CLOSERS}\s+|[{_UNSPACED_ENDS}]{_CLOSERS}\s*"),
    re.compile(rf"\s+|[{_CLAUSE_ENDS}{_UNSPACED_ENDS}]{_CLOSERS}"),
)
_JOINER = "\u200d"
_LONGEST_CHARACTER = 16
"""Code points, as of a family's emoji or a letter with its marks."""

_LEAST_FILL = 0.6
"""A chunk ends at a boundary only if it is at least this full then; otherwise small chunks multiply."""


_LEAST_SECTION = 0.5
"""The same for one that ends before a heading."""

_TRIES = 8
"""Guesses that a tokenizer may refute before they are halved."""


class TooManyChunks(ValueError):
    """A text gives more chunks than it may."""


@dataclass(slots=True, frozen=True)
class Sizes:
    """Of a chunk, and of what neighbours share at most. Raises ``ValueError`` unless ``size`` > ``overlap``
    ≥ 0."""

    size: int = 1000
    overlap: int = 200

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.size:
            raise ValueError(
                f"the overlap must be from 0 to less than the chunk size, not {self.overlap} of {self.size}"
            )


def chunk_text(text: str, *, size: int = 1000, overlap: int = 200, most: int | None = None) -> list[str]:
    """The chunks of a text without an outline, for a model without a window: see :class:`Cutter`."""
    cutter = Cutter(text, Sizes(size, overlap))
    return [text[start:end] for start, end in cutter.cut(most)]


class Cutter:
    """Cuts one text.

    Promises: every character that isn't white space is in a chunk; no chunk lies inside its neighbour; none
    is longer than its size, nor, with the lead that it is embedded with, than ``window``; neighbours share at
    most the overlap; a text that fits is one chunk; white space alone yields none. The same text always
    yields the same chunks.
    """

    def __init__(
        self, text: str, sizes: Sizes, outline: Outline | None = None, window: Window | None = None
    ) -> None:
        self._text, self._sizes, self._window = text, sizes, window
        self._outline = outline or Outline()
        self._counter = TokenCounter(window) if window else None

    def cut(self, most: int | None = None) -> list[tuple[int, int]]:
        """Where each chunk begins and ends. Raises :class:`TooManyChunks` beyond ``most``."""
        text, spans, start = self._text, list[tuple[int, int]](), 0
        while start < len(text):
            if most is not None and len(spans) >= most:
                raise TooManyChunks(f"more than {most:,} chunks")
            end, is_section = self._end(start)
            spans.append((start, end))
            if end == len(text):
                break
            start = end if is_section else self._next_start(start, end)
        return [(start, end) for start, end in spans if not text[start:end].isspace()]

    def _end(self, start: int) -> tuple[int, bool]:
        """The end of the chunk from ``start``, and whether the next one shares nothing with it."""
        text = self._text
        limit = min(start + self._sizes.size, len(text))
        tries = 0
        while True:
            limit = self._fitting(start, limit)
            if limit == len(text):
                return limit, False
            end, is_section = self._boundary(start, limit)
            if end == limit or self._fitting(start, end) == end:
                return end, is_section
            # A tokenizer may make more of a text that ends inside a word.
            tries += 1
            limit = end - 1 if tries < _TRIES else start + (end - start) // 2

    def _fitting(self, start: int, limit: int) -> int:
        """``limit`` if the chunk from ``start`` to there fits into the window, else a smaller one that
        does."""
        if self._counter is None:
            return limit
        lead, tries = self._lead(start), 0
        while limit > start + 1:
            fits = self._counter.fits(lead, self._text[start:limit])
            if fits == limit - start:
                break
            tries += 1
            limit = start + (fits if tries < _TRIES else max(1, fits // 2))
        return limit

    def _lead(self, start: int) -> str:
        return lead_of(self._outline.title, self._outline.path_of(self._text, start), self._window)

    def _boundary(self, start: int, limit: int) -> tuple[int, bool]:
        """The last good boundary up to ``limit``. Each chunk adds at least half of ``size - overlap`` new
        characters, else a large overlap would make almost no progress; a chunk before code or a table may be
        shorter, since the two would not fit into one."""
        text, outline = self._text, self._outline
        if (block := outline.block_over(limit)) and block[0] > start and self._fits_whole(block):
            return block[0], True
        room = limit - start
        overlap = self._sizes.overlap * room // self._sizes.size
        heading = outline.last_heading(
            start + max(1, int(room * _LEAST_SECTION), (room + overlap) // 2), limit
        )
        if heading is not None:
            return heading, True
        earliest = start + max(int(room * _LEAST_FILL), (room + overlap) // 2)
        for boundary in _BOUNDARIES:
            last = None
            for match in boundary.finditer(text, earliest, limit):
                last = match
            if last is not None:
                return last.end(), False
        return _whole_character(text, earliest, limit), False

    def _fits_whole(self, block: tuple[int, int]) -> bool:
        start, end = block
        return end - start <= self._sizes.size and self._fitting(start, end) == end

    def _overlap_before(self, end: int) -> int:
        """The characters before ``end`` that are the overlap: as large a share of the window as of the size.
        It depends on nothing before them, so that chunks behind a change are soon the same again."""
        size, overlap = self._sizes.size, self._sizes.overlap
        if self._window is None or self._counter is None or overlap == 0:
            return overlap
        return self._counter.tail(
            self._text[max(0, end - overlap) : end], self._window.tokens * overlap // size
        )

    def _next_start(self, start: int, end: int) -> int:
        """Where the next chunk begins: the overlap before ``end``, moved forward to a heading, out of code
        and tables that fit, or to the start of a word."""
        text, overlap = self._text, self._overlap_before(end)
        earliest = max(end - overlap, start + 1)
        if overlap == 0:
            return earliest
        if (heading := self._outline.last_heading(earliest, end)) is not None:
            return heading
        if (block := self._outline.block_over(earliest)) and block[0] > start and self._fits_whole(block):
            return min(block[1], end)
        if text[earliest - 1].isspace():
            return earliest
        match = _BOUNDARIES[-1].search(text, earliest, end)
        return match.end() if match and match.end() < end else earliest


def _whole_character(text: str, earliest: int, limit: int) -> int:
    """``limit``, or before it if that would part a letter from its marks."""
    for end in range(limit, max(earliest, limit - _LONGEST_CHARACTER), -1):
        is_mark = unicodedata.category(text[end]).startswith("M")
        if not is_mark and _JOINER not in text[end - 1 : end + 1]:
            return end
    return limit

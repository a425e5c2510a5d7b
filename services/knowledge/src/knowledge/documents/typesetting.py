"""What typesetters do to words, undone: a reader of "efﬁ-" and "cient" has read "efficient"."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from knowledge.documents.invisible import without_invisible

HYPHENATED = "-\n"
"""A hyphen at the end of a line."""

_BROKEN = re.compile(
    r"(?<![^\W_])(?<![^\W_]-)([^\W_]+(?:-[^\W_]+)*)[-\u2010\u00ad]"
    r"(?:[ \t]*\r?\n){1,2}[ \t]*(?=[^\W_])([^\W_]+)"
)
"""A word that goes on in the next line, or on the next page, an empty line below. It is looked for where
words begin: from each letter of a long one, that would take the square of its length."""

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MEANT = ("<super>", "<sub>", "<fraction>")
"""Compatibility characters that would become other words: 2³¹ isn't 231."""


_ACCENTS = {
    "\u00b4": "\u0301", "\u00a8": "\u0308", "\u02c6": "\u0302", "\u02dc": "\u0303", "\u02c7": "\u030c",
    "\u02d8": "\u0306", "\u02d9": "\u0307", "\u02da": "\u030a", "\u02dd": "\u030b", "\u00af": "\u0304",
}  # fmt: skip
_ACCENTED = re.compile(f"([{''.join(_ACCENTS)}])([^\\W\\d_])")
"""TeX sets an accent as a glyph of its own, before its letter."""


def as_words(text: str) -> str:
    """``text`` in NFKC, but for raised and lowered characters and fractions, with words whole that were
    broken at the end of a line. Control characters, which stand for glyphs without a name, become spaces."""
    text = _ACCENTED.sub(_accented, _join(text.replace("\r\n", "\n")))
    plain = "".join(sign if sign < "\u00a0" else _compatible(sign) for sign in text)
    return without_invisible(_CONTROL.sub(" ", unicodedata.normalize("NFC", plain)))


def _accented(match: re.Match[str]) -> str:
    accent, letter = match.groups()
    composed = unicodedata.normalize("NFC", letter.replace("\u0131", "i") + _ACCENTS[accent])
    return composed if len(composed) == 1 else match[0]


@lru_cache(maxsize=4096)
def _compatible(sign: str) -> str:
    if sign in _ACCENTS or unicodedata.decomposition(sign).startswith(_MEANT):
        return sign
    return unicodedata.normalize("NFKC", sign)


def _join(text: str) -> str:
    """A hyphen at the end of a line goes, unless the word has one elsewhere in the text, or it stands before
    a capital or a digit."""
    words = Counter(word.casefold() for word in _WORD.findall(text))

    def joined(match: re.Match[str]) -> str:
        first, second = match.groups()
        whole, compound = first + second, f"{first}-{second}"
        if words[compound.casefold()] > words[whole.casefold()]:
            return compound
        return whole if second[0].islower() or (first + second).isupper() else compound

    return _BROKEN.sub(joined, text)

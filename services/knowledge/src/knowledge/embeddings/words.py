"""The words of a text in any script, for counting.

Chinese, Japanese, Thai and their like don't write words apart, and Korean writes particles onto them. There
the usual stand-in for words are overlapping pairs of characters, as Lucene's CJKAnalyzer has them, and
triples in alphabets. A question then shares most of its pairs with a text that holds it.
"""

import re
import unicodedata
from collections.abc import Iterator

_HAN = r"\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_IDEOGRAMS = _HAN + r"\u3040-\u30ff\u31f0-\u31ff"
"""Han, and the kana that Japanese mixes with it."""

_HANGUL = r"\u1100-\u11ff\uac00-\ud7ff"
_UNSPACED_ALPHABETS = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
"""Thai and Lao, Tibetan, Burmese, Khmer."""

_APART = _IDEOGRAMS + _HANGUL + _UNSPACED_ALPHABETS
_LETTERS = rf"[^\W_{_APART}]+"
_MARKS = "".join(
    character
    for character in map(chr, range(0x300, 0x10000))
    if unicodedata.category(character) in ("Mn", "Mc") and not re.match(f"[{_APART}]", character)
)
"""Vowel signs and accents: parts of a word, although ``\\w`` leaves them out."""

_WORD = rf"{_LETTERS}(?:[{_MARKS}]+|{_LETTERS})*"
_RUN = re.compile(
    rf"(?P<ideograms>[{_IDEOGRAMS}]+)|(?P<hangul>[{_HANGUL}]+)|(?P<unspaced>[{_UNSPACED_ALPHABETS}]+)"
    rf"|(?P<word>{_WORD}(?:['\u2019]{_WORD})*)"
)
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_ONE_HAN = re.compile(f"[{_HAN}]")


def words_of(text: str) -> list[str]:
    """In order, in lower case and in compatibility form (NFKC: full-width letters are letters)."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return list(_words(unicodedata.normalize("NFKC", text).lower()))


def ideograms_of(text: str) -> list[str]:
    """Each Han character by itself: many words are one."""
    return [] if text.isascii() else _ONE_HAN.findall(unicodedata.normalize("NFKC", text))


def _words(text: str) -> Iterator[str]:
    for run in _RUN.finditer(text):
        kind, word = run.lastgroup, run[0]
        if kind in ("word", "hangul"):
            yield word
        if kind == "hangul" and len(word) > 2:
            yield from _parts(word, 2)
        elif kind in ("ideograms", "unspaced"):
            yield from _parts(word, 2 if kind == "ideograms" else 3)


def _parts(run: str, size: int) -> Iterator[str]:
    """All parts of ``size`` characters; the whole of a shorter run."""
    for start in range(max(1, len(run) - size + 1)):
        yield run[start : start + size]

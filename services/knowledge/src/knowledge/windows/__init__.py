"""How much of a text a model reads, and what is put in front of a chunk before it is embedded. Pure.

A model cuts off what is longer than its window without a word: text beyond it can't be found.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_SPECIAL = 8
"""Tokens that a model adds of its own, at most; where its tokenizer isn't known."""

_MOST_LEAD = 200
"""Bytes of a lead, and of a title or heading that is kept."""

_SEPARATOR = " > "
_MOST_CHARACTERS_A_TOKEN = 16
"""More are never looked at for one token of the window: white space alone has no tokens."""


@dataclass(slots=True, frozen=True)
class Window:
    """``tokens``: as many as the model reads of one text. ``tokenizer``: the file of the model's own
    (``tokenizer.json``). Without one a byte counts as a token: no tokenizer in use makes more of a text."""

    tokens: int
    tokenizer: str | None = None

    def digest(self) -> str:
        """Names the tokenizer, wherever its file is; "" without one."""
        return _digest(self.tokenizer) if self.tokenizer else ""


def lead_of(title: str, headings: Sequence[str], window: Window | None) -> str:
    """What the embedded text of a chunk begins with: the file's title and the path of headings, each once.

    It takes at most half of the window, counted in bytes so that nobody has to tokenise: the outer headings
    go first, then what is left of the title is cut.
    """
    most = min(_MOST_LEAD, window.tokens // 2) if window else _MOST_LEAD
    names = list(dict.fromkeys(name for name in (title, *headings) if name))
    while len(names) > 2 and _bytes(names) > most:
        del names[1]
    if len(names) > 1 and _bytes(names) > most:
        del names[0]
    lead = _SEPARATOR.join(names).encode()[:most].decode(errors="ignore").strip()
    return f"{lead}\n\n" if lead else ""


def embedded_text(lead: str, content: str) -> str:
    """What is embedded of a chunk. Only ``content`` is stored and shown."""
    return lead + content


class TokenCounter:
    """Counts tokens of embedded texts against a window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._tokenizer = _open(window.tokenizer) if window.tokenizer else None

    def fits(self, lead: str, content: str) -> int:
        """All characters of ``content`` if it fits behind ``lead``; else where it had better end: a guess,
        smaller than its length and at least 1."""
        most = self._window.tokens
        if len(content) > most * _MOST_CHARACTERS_A_TOKEN:
            return most * _MOST_CHARACTERS_A_TOKEN
        if self._tokenizer is None:
            room = max(1, most - _SPECIAL - len(lead.encode()))
            encoded = content.encode()
            if len(encoded) <= room:
                return len(content)
            return max(1, min(len(encoded[:room].decode(errors="ignore")), len(content) - 1))
        encoding = self._tokenizer.encode(embedded_text(lead, content))
        surplus = len(encoding.ids) - most
        if surplus <= 0:
            return len(content)
        ends = [end for _, end in encoding.offsets if end > len(lead)]
        last = ends[max(0, len(ends) - surplus - 1)] - len(lead) if ends else 1
        return max(1, min(last, len(content) - 1))

    def tail(self, text: str, tokens: int) -> int:
        """How many characters at the end of ``text`` have at most about ``tokens``."""
        if self._tokenizer is None:
            return len(text.encode()[-tokens:].decode(errors="ignore")) if tokens else 0
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return (
            len(text) - offsets[len(offsets) - tokens][0]
            if 0 < tokens < len(offsets)
            else len(text) * bool(tokens)
        )


@lru_cache(maxsize=2)
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@lru_cache(maxsize=2)
def _open(path: str) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _bytes(names: Sequence[str]) -> int:
    return len(_SEPARATOR.join(names).encode())

"""Puts the text of a document together. Pure."""

from collections.abc import Iterable

LEAST_OVERLAP = 8
"""Characters. Fewer that are equal may be chance."""

_MOST_TRIES = 200
"""Places where an overlap may begin: a text of one repeated character has as many as characters."""


def join(texts: Iterable[str], overlap: int, before: str | None = None) -> str:
    """The text that was cut into ``texts``, whose neighbours share at most ``overlap`` characters: what they
    share is there once. ``before`` is the text before the first one, and isn't part of the result.

    Where two neighbours share nothing, white space between them was left out: a line ends there.
    """
    parts: list[str] = []
    for text in texts:
        if before is None:
            parts.append(text)
        elif shared := overlap_of(before, text, overlap):
            parts.append(text[shared:])
        else:
            parts.append(text if before[-1:].isspace() or text[:1].isspace() or not parts else f"\n{text}")
        before = text
    return "".join(parts)


def overlap_of(before: str, after: str, most: int) -> int:
    """How many characters, up to ``most``, ``before`` ends with and ``after`` begins with."""
    most = min(most, len(before), len(after))
    if most < LEAST_OVERLAP:
        return 0
    probe = after[:LEAST_OVERLAP]
    start = len(before) - most
    for _ in range(_MOST_TRIES):
        start = before.find(probe, start)
        if start < 0:
            return 0
        if after.startswith(before[start:]):
            return len(before) - start
        start += 1
    return 0

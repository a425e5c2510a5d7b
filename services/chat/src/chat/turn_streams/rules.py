"""Pieces as they are stored, and how much of them is kept in memory. No I/O."""

from json import JSONDecoder
from typing import Any

from chat.turn_streams.records import Piece
from common import codec

_DECODER = JSONDecoder()
_BETWEEN = " \t\r\n,"


def pieces_of(first: int, stored: str) -> list[Piece]:
    """The pieces of a JSON array, the first of which has this number. Each stays as its runtime sent it: no
    digit of a number is lost."""
    found: list[Piece] = []
    at, end = 1, len(stored) - 1
    while at < end:
        if stored[at] in _BETWEEN:
            at += 1
            continue
        value, after = _DECODER.raw_decode(stored, at)
        found.append(Piece(first + len(found), _type_of(value), _on_one_line(stored[at:after])))
        at = after
    return found


def _type_of(value: Any) -> str:
    return str(value["type"])


def _on_one_line(data: str) -> str:
    return codec.dumps_str(codec.loads(data)) if "\n" in data or "\r" in data else data

"""A file of exported conversations, one after the other, each from its first line to its end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from takaro_operator.errors import Refusal

PARTIAL = ".part"
"""Added to the name of a file that is not complete yet."""

END_BYTES = 200
"""A line that ends a conversation is shorter."""
_END = b'{"type":"end"'


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a conversation is in its file, in bytes, and its id. ``line`` is the number of its first line."""

    id: str
    line: int
    begin: int
    end: int


def conversations_in(file: IO[bytes]) -> Iterator[Exported]:
    """The conversations of a file, as they are read. Raises :class:`Refusal` for what is none, or isn't
    complete; those before were given then."""
    begin = place = 0
    first = b""
    number = begun_line = 0
    while line := file.readline():
        number += 1
        if not first:
            if line.isspace():
                place += len(line)
                continue
            first, begin, begun_line = line, place, number
            id = _id_of(line, number)
        place += len(line)
        if _is_end(line):
            yield Exported(id, begun_line, begin, place)
            file.seek(place)
            first = b""
    if first:
        raise Refusal(f"line {begun_line}: the conversation {id} is cut off: its end is missing")


def read_partial(file: IO[bytes]) -> tuple[int, set[str]]:
    """Where the last whole conversation ends, and the ids of all that are whole."""
    file.seek(0)
    end, ids = 0, set()
    try:
        for found in conversations_in(file):
            end = found.end
            ids.add(found.id)
    except Refusal:
        pass
    return end, ids


def _id_of(line: bytes, number: int) -> str:
    try:
        read = json.loads(line)
        if read["type"] == "conversation":
            return str(read["id"])
    except (ValueError, LookupError, TypeError):
        pass
    raise Refusal(f"line {number}: isn't the first line of an exported conversation")


def ends(text: bytes) -> bool:
    """Whether the last line of ``text`` ends a conversation."""
    return text.endswith(b"\n") and _is_end(text.splitlines()[-1])


def _is_end(line: bytes) -> bool:
    """Whether a line ends a conversation, however its JSON is spaced."""
    if line.startswith(_END):
        return True
    if len(line) > END_BYTES or b'"end"' not in line:
        return False
    try:
        read = json.loads(line)
    except ValueError:
        return False
    return isinstance(read, dict) and read.get("type") == "end"

"""Reading the lines of an import from its file, a few at a time."""

import asyncio
from typing import IO, TypeVar

from pydantic import BaseModel

from common.errors import Invalid, TooLarge
from servicekit import json_lines

BATCH_LINES, BATCH_BYTES = 500, 1_000_000

_WRONG = "line_invalid"

L = TypeVar("L", bound=BaseModel)


async def rewind(file: IO[bytes]) -> None:
    """Go back to the first line."""
    await asyncio.to_thread(file.seek, 0)


async def read_lines(file: IO[bytes], line_bytes: int, most: int = BATCH_LINES) -> list[bytes]:
    """The next lines, of at most about :data:`BATCH_BYTES`. Raises :class:`TooLarge` for one with more than
    ``line_bytes``."""
    return await asyncio.to_thread(_read_now, file, line_bytes, most)


def _read_now(file: IO[bytes], line_bytes: int, most: int) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    while len(lines) < most and size < BATCH_BYTES and (line := file.readline(line_bytes + 1)):
        if len(line) > line_bytes:
            raise TooLarge(f"A line has more than {line_bytes} bytes", code="line_too_large")
        lines.append(line)
        size += len(line)
    return lines


def parsed(kind: type[L], line: bytes, number: int) -> L:
    """The line's model. Raises as :func:`json_lines.read_line`."""
    return json_lines.read_line(kind.model_validate, line, number, _WRONG)


def wrong_line(number: int | str, problem: str) -> Invalid:
    """The error for a line that isn't as an export writes it."""
    return json_lines.wrong_line(number, problem, _WRONG)

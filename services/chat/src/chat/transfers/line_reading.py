"""Reading the lines of an import from its file, a few at a time."""

import asyncio
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from common import codec
from common.errors import Invalid, TooLarge

BATCH_LINES, BATCH_BYTES = 500, 1_000_000

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
    """The line's model. Raises :class:`Invalid` that names the line and what is wrong in it."""
    try:
        return kind.model_validate(codec.loads(line))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise wrong_line(number, f"{where}: {message}" if where else message) from error
    except ValueError as error:
        raise wrong_line(number, "isn't JSON") from error


def wrong_line(number: int | str, problem: str) -> Invalid:
    """The error for a line that isn't as an export writes it."""
    return Invalid("Validation failed", code="line_invalid", details={f"line {number}": [problem]})

"""Lines of JSON in a request's body."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from common import codec
from common.errors import Invalid

T = TypeVar("T")


def read_line(validate: Callable[[Any], T], line: bytes, number: int, code: str) -> T:
    """What ``validate`` makes of a line's JSON. Raises :class:`Invalid` that names the line by its number,
    and what is wrong in it."""
    try:
        return validate(codec.loads(line))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise wrong_line(number, f"{where}: {message}" if where else message, code) from error
    except ValueError as error:
        raise wrong_line(number, "isn't JSON", code) from error


def wrong_line(number: int | str, problem: str, code: str) -> Invalid:
    """The error for a line, or for several."""
    return Invalid("Validation failed", code=code, details={f"line {number}": [problem]})

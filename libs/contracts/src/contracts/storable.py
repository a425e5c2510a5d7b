"""Text and JSON that Postgres can store and that every consumer can read back unchanged."""

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 100
"""Maximum levels of nesting. orjson writes at most 254, and real documents have far fewer."""

_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**63 - 1


def check_text(text: str) -> str:
    """Return ``text``; raise ``ValueError`` for U+0000 (Postgres can't store it) or a lone surrogate."""
    if "\x00" in text:
        raise ValueError("must not contain U+0000")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must not contain a lone surrogate") from None
    return text


def check_json(value: Any) -> Any:
    """Return ``value``; raise ``ValueError`` if ``jsonb`` would not return it unchanged.

    It refuses text that :func:`check_text` refuses (in keys too), integers beyond 64 bits, NaN, infinities,
    and nesting beyond :data:`MAX_DEPTH`. It doesn't recurse, because the sender chooses the depth.
    """
    levels: list[Iterator[Any]] = [iter((value,))]
    while levels:
        for item in levels[-1]:
            if isinstance(item, str):
                check_text(item)
            elif isinstance(item, dict):
                for key in item:
                    check_text(key)
                levels.append(iter(item.values()))
                break
            elif isinstance(item, list | tuple):
                levels.append(iter(item))
                break
            elif isinstance(item, float):
                if not math.isfinite(item):
                    raise ValueError("must not contain NaN or infinity")
            elif isinstance(item, int) and not _LEAST_INTEGER <= item <= _GREATEST_INTEGER:
                raise ValueError("must not contain an integer beyond 64 bits")
        else:
            levels.pop()
        if len(levels) > MAX_DEPTH + 1:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
    return value


Text = Annotated[str, AfterValidator(check_text)]
JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]
JsonArray = Annotated[list[Any], AfterValidator(check_json)]

"""The one JSON encoder and decoder of the data plane.

UUIDs, dates and dataclasses encode as strings and objects; times are RFC 3339 in UTC with a ``Z``.
"""

import re
from typing import Any
from uuid import UUID

import orjson

_NUMBERS_WITH_EXPONENT = re.compile(rb'"(?:[^"\\]|\\.)*+"|[0-9]e([-+]?[0-9]+)')
_EXPONENT = re.compile(rb"[0-9]e[-+]?[0-9]")

MOST_GROWTH = 64
"""How many times larger JSON can become in ``jsonb``, at most: ``[1e308]`` is read back with 309 digits."""

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


def _text(value: object) -> str:
    if isinstance(value, UUID):  # asyncpg's own UUID class, which orjson doesn't recognise
        return str(value)
    raise TypeError(f"{type(value).__name__} isn't JSON")


def dumps(value: object) -> bytes:
    """Encode ``value`` as compact UTF-8 JSON. Raises ``TypeError`` for what JSON can't represent."""
    return orjson.dumps(value, default=_text, option=_OPTIONS)


def dumps_str(value: object) -> str:
    """Like :func:`dumps`, but returns text, which asyncpg expects for ``jsonb``."""
    return orjson.dumps(value, default=_text, option=_OPTIONS).decode()


def loads(raw: bytes | bytearray | memoryview | str) -> Any:
    """Decode JSON. Raises ``ValueError`` (``orjson.JSONDecodeError``) for anything else, including NaN."""
    return orjson.loads(raw)


def stored_bytes(encoded: bytes) -> int:
    """The size of what :func:`dumps` encoded, as ``jsonb`` returns it: without exponents.

    The spaces that Postgres writes between values aren't counted.
    """
    if _EXPONENT.search(encoded) is None:
        return len(encoded)
    exponents = (match[1] for match in _NUMBERS_WITH_EXPONENT.finditer(encoded))
    return len(encoded) + sum(abs(int(exponent)) for exponent in exponents if exponent)


def has_nul(value: object) -> bool:
    """Whether any string in ``value`` holds U+0000, which Postgres can't store in text or jsonb."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(has_nul(k) or has_nul(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return any(has_nul(item) for item in value)
    return False


def json_has_nul(raw: bytes) -> bool:
    """:func:`has_nul` for encoded JSON. Decodes only if the bytes look suspicious."""
    return b"\\u0000" in raw and has_nul(loads(raw))

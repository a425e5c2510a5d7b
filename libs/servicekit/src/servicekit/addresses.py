"""Refuses addresses that would be read as something else than was sent."""

from collections import Counter
from collections.abc import Collection
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.types import Scope

from common.errors import Invalid


def is_suspicious(scope: Scope) -> bool:
    """Whether :func:`check_address` may refuse the address, apart from repeated parameters."""
    raw = scope.get("raw_path") or b"", scope["query_string"]
    return any(b"%" in part or not part.isascii() for part in raw)


def check_address(scope: Scope, once: Collection[str]) -> None:
    """Raise :class:`Invalid` for a path or query that isn't UTF-8 in percent-encoding, whose characters would
    be replaced by others, and for a parameter of ``once`` that is given more often, of which one would count.
    """
    for where, raw in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        if not raw.isascii() or not _is_utf8(unquote_to_bytes(raw)):
            raise Invalid("Validation failed", details={where: ["must be UTF-8, percent-encoded"]})
    pairs = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)
    given = Counter(name for name, _ in pairs)
    if repeated := {name: ["must be given once"] for name in given if given[name] > 1 and name in once}:
        raise Invalid("Validation failed", details=repeated)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True

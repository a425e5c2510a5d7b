"""Where a person goes after signing in, and what they may paste."""

import re

MAX_NEXT = 2_000

_LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")
"""An absolute path, perhaps with a query. Browsers read ``\\\\`` as ``/``, skip tabs and line ends, and take
what follows ``//`` for a host."""
_SCHEME = re.compile("^bearer", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


def local_path(text: str | None) -> str | None:
    """``text`` if it leads to a page of this origin, else None."""
    if text is None or len(text) > MAX_NEXT or _LOCAL.fullmatch(text) is None:
        return None
    return text


def pasted_token(text: str) -> str | None:
    """The bearer token in what somebody pasted, perhaps with ``Bearer`` before it; None if there is none."""
    token = _SCHEME.sub("", "".join(text.split()))
    return token if _TOKEN.fullmatch(token) else None

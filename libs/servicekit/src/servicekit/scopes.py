"""What a caller may do beyond their own things: the scopes of a token. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

OPERATOR: Final = "operator"
"""May read and set what concerns every user, such as quotas."""
AGENT: Final = "agent"
"""A service that works for users."""


def parse_scopes(text: str) -> frozenset[str]:
    """Scopes in OAuth's form (RFC 6749, 3.3): separated by spaces, case-sensitive."""
    return frozenset(text.split())


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a verified token.

    Issuers write them to ``scope`` (RFC 8693, 4.2) or to ``scp``, as one string or as a list of them; a token
    with both has all of them. A claim of any other form gives no scope.
    """
    found: set[str] = set()
    for name in ("scope", "scp"):
        found.update(*map(parse_scopes, _strings(claims.get(name))))
    return frozenset(found)


def _strings(claim: object) -> Iterable[str]:
    if isinstance(claim, str):
        return [claim]
    if isinstance(claim, list):
        return [each for each in claim if isinstance(each, str)]
    return []

"""What a caller may do beyond their own things: the scopes of a token. No I/O."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

OPERATOR: Final = "operator"
"""May read and set what concerns every user, such as quotas."""
AGENT: Final = "agent"
"""A runtime: a service that works for users, with the agents that its token names."""

MAX_AGENTS = 1_000
"""Agents that a token names; what is beyond isn't read."""


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


def parse_agents(text: str) -> frozenset[str]:
    """Agent ids, separated by commas."""
    return _agents(text.split(","))


def agents_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The agents that a verified token names in the claim ``agents``: a list of strings, or one string of
    them, separated by commas."""
    claim = claims.get("agents")
    return parse_agents(claim) if isinstance(claim, str) else _agents(_strings(claim))


def _agents(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for each in islice(names, MAX_AGENTS) if (name := each.strip()))


def _strings(claim: object) -> Iterable[str]:
    if isinstance(claim, str):
        return [claim]
    if isinstance(claim, list):
        return [each for each in claim if isinstance(each, str)]
    return []

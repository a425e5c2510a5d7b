"""Filters of a search, as callers write them, and the one ``jsonpath`` that they become. Pure.

A filter is an object: each member names a field, and says what a chunk must have there. All must hold::

    {"path": {"prefix": "docs/"}, "frontMatter.tags": ["alpha", "beta"],
     "frontMatter.date": {"after": "2026-01-01"}}

A scalar is equality, a list is any of its scalars, and an object has ``eq``, ``in``, ``prefix``, ``after``
(from that date on) and ``before`` (until that date, without it). Where a field holds a list, one of its
items has to fit.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from contracts.storable import check_json

MAX_FIELDS = 20
MAX_VALUES = 200
"""Scalars in one filter."""
MAX_CHARACTERS = 1_000
"""Of a name, and of a value."""

_FIELDS = {
    "path": '$."sourceFile"',
    "title": '$."title"',
    "heading": '$."headings"[*]',
    "position": '$."chunkIndex"',
}
_OPEN = ("frontMatter", "metadata")
"""These take any name after a dot: the file's own front matter, and whatever else a row's writer stored."""

_DATE = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_IS_DATE = '@ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}"'
_SCALARS = (str, int, float, bool)


def check_filter(filters: dict[str, Any]) -> dict[str, Any]:
    """Return ``filters``. Raises ``ValueError``, which says what isn't understood and what is."""
    compile_filter(filters)
    return filters


def compile_filter(filters: Mapping[str, Any] | None) -> str | None:
    """The predicate of ``filters`` over a chunk's metadata, for ``metadata @@ …``; ``None`` for no filter.

    Whatever stands in ``filters`` can only become a name, a number or a text in it. Raises ``ValueError``.
    """
    if not filters:
        return None
    check_json(filters)
    if len(filters) > MAX_FIELDS:
        raise ValueError(f"has more than {MAX_FIELDS} fields")
    conditions = [_condition(name, wanted) for name, wanted in filters.items()]
    if sum(count for _, count in conditions) > MAX_VALUES:
        raise ValueError(f"has more than {MAX_VALUES} values")
    return " && ".join(predicate for predicate, _ in conditions)


def _condition(name: str, wanted: Any) -> tuple[str, int]:
    path = _path(name)
    operators = wanted if isinstance(wanted, dict) else {"in" if isinstance(wanted, list) else "eq": wanted}
    if not operators:
        raise ValueError(
            f"{_shown(name)}: an empty object asks for nothing; say one of {', '.join(_OPERATORS)}"
        )
    tests, count = [], 0
    for operator, operand in operators.items():
        if operator not in _OPERATORS:
            raise ValueError(f"{_shown(name)}: {_shown(operator)} isn't one of {', '.join(_OPERATORS)}")
        try:
            test, values = _OPERATORS[operator](operand)
        except ValueError as error:
            raise ValueError(f"{_shown(name)}: {operator} {error}") from None
        tests.append(test)
        count += values
    return f"exists({path} ? ({' && '.join(tests)}))", count


def _path(name: str) -> str:
    if name in _FIELDS:
        return _FIELDS[name]
    kind, dot, own = name.partition(".")
    if kind in _OPEN and dot and 0 < len(own) <= MAX_CHARACTERS:
        return f'$."frontMatter".{_text(own)}' if kind == "frontMatter" else f"$.{_text(own)}"
    known = ", ".join([*_FIELDS, *(f"{kind}.<name>" for kind in _OPEN)])
    raise ValueError(f"{_shown(name)} isn't one of {known}")


def _equal(operand: Any) -> tuple[str, int]:
    return f"({_equality(operand)})", 1


def _any_of(operand: Any) -> tuple[str, int]:
    if not isinstance(operand, list) or not operand:
        raise ValueError("takes a list of at least one value")
    if len(operand) > MAX_VALUES:
        raise ValueError(f"takes at most {MAX_VALUES} values")
    return f"({' || '.join(map(_equality, operand))})", len(operand)


def _prefix(operand: Any) -> tuple[str, int]:
    if not isinstance(operand, str) or not operand:
        raise ValueError("takes a text")
    return f"@ starts with {_text(operand)}", 1


def _after(operand: Any) -> tuple[str, int]:
    return f"{_IS_DATE} && @ >= {_date(operand)}", 1


def _before(operand: Any) -> tuple[str, int]:
    return f"{_IS_DATE} && @ < {_date(operand)}", 1


_OPERATORS: Mapping[str, Callable[[Any], tuple[str, int]]] = {
    "eq": _equal,
    "in": _any_of,
    "prefix": _prefix,
    "after": _after,
    "before": _before,
}


def _equality(value: Any) -> str:
    """A number and a truth value fit the text of them too: front matter is kept as it is written."""
    if value is not None and not isinstance(value, _SCALARS):
        raise ValueError("takes texts, numbers, true, false and null")
    if isinstance(value, str):
        return f"@ == {_text(value)}"
    written = json.dumps(value)
    return f"@ == {written}" if value is None else f'@ == {written} || @ == "{written}"'


def _date(operand: Any) -> str:
    if not isinstance(operand, str) or not _DATE.fullmatch(operand):
        raise ValueError("takes a date such as 2026-11-28, or a time such as 2026-11-28T12:00:00Z")
    return _text(operand)


def _text(text: str) -> str:
    """A string or a name in a ``jsonpath``. Its escapes are JSON's."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"takes at most {MAX_CHARACTERS:,} characters")
    return json.dumps(text)


def _shown(name: str) -> str:
    return json.dumps(name[:80])

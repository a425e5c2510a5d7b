"""The values at the head of a Markdown file: YAML between ``---``, or TOML between ``+++``.

Only the scalars at its top level matter, and lists of them, and each is what is written there: ``3.10``,
``On``, ``010`` and dates are words of a title, not numbers, truth values and times.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import TypeAlias

import yaml

from knowledge.documents.invisible import storable

FrontMatter: TypeAlias = dict[str, str | list[str]]

_BLOCK = re.compile(
    r"\A\s*(?:(---)|\+\+\+)[ \t]*\n(.*?)(?:^|\n)(?(1)(?:---|\.\.\.)|\+\+\+)[ \t]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_ENTRY = re.compile(r"([\"']?)(?P<key>[A-Za-z_][\w.-]*)\1[ \t]*(?::(?=[ \t]|\Z)|=)[ \t]*(?P<value>.*)\Z")
_BLOCK_STYLE = re.compile(r"[|>][-+\d]{0,2}\Z")
_COMMENT = re.compile(r"(?:\A|[ \t])#.*\Z")
_NOTHING = frozenset(("", "~", "null", "Null", "NULL"))

_LONGEST = 16_000
"""Characters: parsers of YAML and TOML take time by the square of some keys' lengths."""

_MOST_KEPT, _LONGEST_VALUE, _LONGEST_KEY, _MOST_ITEMS = 2_000, 500, 64, 50

_DEEPEST = 500
"""Brackets: libyaml's composer calls itself for each of them."""

_Loader: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """The scalars and lists at its top level, as they are written, and the text after it.

    A block that a parser refuses is front matter all the same if it begins with ``key: value``: a colon in a
    title is the commonest mistake. Its values are then read line by line. What stands between two rules
    without being a mapping is text.
    """
    match = _BLOCK.match(text)
    if match is None:
        return {}, text
    source, rest = match[2], text[match.end() :]
    if not source.strip():
        return {}, rest
    try:
        values: FrontMatter | None = _yaml(source) if match[1] else _toml(source)
    except (yaml.YAMLError, ValueError, RecursionError):
        values = _lines(source)
    return ({}, text) if values is None else (values, rest)


def _yaml(source: str) -> FrontMatter | None:
    _check(source)
    root = yaml.compose(source, Loader=_Loader)
    if root is None:  # comments
        return {}
    if not isinstance(root, yaml.MappingNode):
        return None
    values: FrontMatter = {}
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if isinstance(value, yaml.SequenceNode):
            items = [item.value for item in value.value if isinstance(item, yaml.ScalarNode)]
            if items:
                values[key.value] = items
        elif isinstance(value, yaml.ScalarNode) and (value.style or value.value not in _NOTHING):
            values[key.value] = value.value
    return values


def _toml(source: str) -> FrontMatter:
    _check(source)
    written = _lines(source) or {}
    values: FrontMatter = {}
    for key, value in tomllib.loads(source).items():
        if isinstance(value, list):
            items = [str(item) for item in value if not isinstance(item, dict | list)]
            if items:
                values[key] = items
        elif not isinstance(value, dict):
            values[key] = value if isinstance(value, str) else written.get(key, str(value))
    return values


def bounded_front_matter(values: Mapping[str, str | list[str]]) -> FrontMatter:
    """What is kept of it with each chunk: the first keys, lists and characters, within :data:`_MOST_KEPT`
    characters in all. A value that is longer than :data:`_LONGEST_VALUE` is left out: half of it would match
    nothing."""
    kept: FrontMatter = {}
    room = _MOST_KEPT
    for key, value in values.items():
        items = value if isinstance(value, list) else [value]
        items = [storable(item).strip() for item in items[:_MOST_ITEMS] if len(item) <= _LONGEST_VALUE]
        items = [item for item in items if item]
        room -= len(key) + sum(map(len, items))
        if room < 0:
            break
        if items and len(key) <= _LONGEST_KEY:
            kept[storable(key)] = items if isinstance(value, list) else items[0]
    return kept


def _check(source: str) -> None:
    if len(source) > _LONGEST or source.count("[") + source.count("{") > _DEEPEST:
        raise ValueError("it is more than front matter ever is")


def _lines(source: str) -> FrontMatter | None:
    """The values of the lines ``key: value`` and ``key = value``, with the indented lines that go on with
    them. ``None`` unless the first line is one, and half of those that aren't indented."""
    values, key = dict[str, list[str]](), ""
    entries, others = 0, 0
    for line in source.splitlines():
        if not line.strip() or line[0] == "#":
            continue
        if line[0] in " \t-":
            if key:
                values[key].append(line.strip())
        elif entry := _ENTRY.match(line):
            entries += 1
            key = "" if entry["key"] in values else entry["key"]
            values.setdefault(entry["key"], [entry["value"]])
        elif not entries:
            return None
        else:
            key, others = "", others + 1
    if entries <= others:
        return None
    return {key: _scalar(lines) for key, lines in values.items()}


def _scalar(lines: list[str]) -> str:
    """The words of a value; none if it is a list."""
    first, *more = lines
    first = _COMMENT.sub("", first).strip()
    if more and not first and (more[0].startswith("- ") or _ENTRY.match(more[0])):
        return ""
    if _BLOCK_STYLE.match(first):
        first = ""
    value = " ".join((first, *more)).strip()
    if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
        value = value[1:-1]
    return value

"""The values at the head of a Markdown file: YAML between ``---``, or TOML between ``+++``.

Only the scalars at its top level matter, and each is what is written there: ``3.10``, ``On``, ``010`` and
dates are words of a title, not numbers, truth values and times.
"""

import re
import tomllib

import yaml

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

_DEEPEST = 500
"""Brackets: libyaml's composer calls itself for each of them."""

_Loader: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The scalars at its top level, as they are written, and the text after it.

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
        values = _yaml(source) if match[1] else _toml(source)
    except (yaml.YAMLError, ValueError, RecursionError):
        values = _lines(source)
    return ({}, text) if values is None else (values, rest)


def _yaml(source: str) -> dict[str, str] | None:
    _check(source)
    root = yaml.compose(source, Loader=_Loader)
    if root is None:  # comments
        return {}
    if not isinstance(root, yaml.MappingNode):
        return None
    return {
        key.value: value.value
        for key, value in root.value
        if isinstance(key, yaml.ScalarNode)
        and isinstance(value, yaml.ScalarNode)
        and (value.style or value.value not in _NOTHING)
    }


def _toml(source: str) -> dict[str, str]:
    _check(source)
    values = tomllib.loads(source)
    written = _lines(source) or {}
    return {
        key: value if isinstance(value, str) else written.get(key, str(value))
        for key, value in values.items()
        if not isinstance(value, dict | list)
    }


def _check(source: str) -> None:
    if len(source) > _LONGEST or source.count("[") + source.count("{") > _DEEPEST:
        raise ValueError("it is more than front matter ever is")


def _lines(source: str) -> dict[str, str] | None:
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
    return {key: _scalar(lines) for key, lines in values.items()} if entries > others else None


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

"""Markdown: front matter gives title and description, and isn't part of the text."""

import re
import tomllib
from typing import Any

import yaml

from knowledge.documents.document import Document

_FRONT_MATTER = re.compile(
    r"\A\s*(---|\+\+\+)[ \t]*\n(.*?)(?:^|\n)\1[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)

_LONGEST_TOML = 16_000
"""Characters: ``tomllib`` takes time by the square of a dotted key's length."""


def markdown_to_document(text: str) -> Document:
    """The text below the front matter. If what stands between two rules isn't a mapping, it is text."""
    values, body = split_front_matter(text)
    return Document(body, title=_line(values.get("title")), description=_line(values.get("description")))


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The values of YAML (``---``) or TOML (``+++``) front matter, and the text after it."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    fence, source = match.groups()
    if fence == "+++" and len(source) > _LONGEST_TOML:
        return {}, text
    try:
        values = yaml.safe_load(source) if fence == "---" else tomllib.loads(source)
    except (yaml.YAMLError, ValueError, RecursionError):  # YAML's date 2026-02-31: ValueError
        return {}, text
    if values is None and not source.strip():
        return {}, text[match.end() :]
    return (values, text[match.end() :]) if isinstance(values, dict) else ({}, text)


def _line(value: object) -> str:
    """A title is one line of text; lists, dates and other YAML values don't count."""
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""

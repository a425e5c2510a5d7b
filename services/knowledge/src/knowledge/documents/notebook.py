"""Jupyter notebooks (nbformat 3 and 4): the cells' text and code, and what the code wrote. No pictures."""

import json
import re
from collections.abc import Iterator
from typing import Any

from knowledge.documents.document import Document, UnsupportedContent
from knowledge.documents.markdown import markdown_to_document

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_WRITTEN = ("text/markdown", "text/latex", "text/plain")
"""What is taken of an output that a notebook holds in several forms."""


def notebook_to_document(text: str) -> Document:
    """The text of a notebook. Raises :class:`UnsupportedContent` for a file that is none."""
    if not text.strip():
        return Document("")
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise UnsupportedContent(f"the notebook is damaged: {error}"[:300]) from error
    if not isinstance(notebook, dict) or not _holds(notebook, "cells", "worksheets"):
        raise UnsupportedContent("the file isn't a notebook")
    sheets = [notebook, *_list(notebook, "worksheets")]
    cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet, "cells")]
    language = _language(notebook)
    parts = [part.strip("\n") for cell in cells if isinstance(cell, dict) for part in _cell(cell, language)]
    return Document("\n\n".join(part for part in parts if part.strip()))


def _cell(cell: dict[str, Any], language: str) -> Iterator[str]:
    source = _text(cell.get("source", cell.get("input")))
    kind = cell.get("cell_type")
    if kind == "markdown" or (kind == "raw" and source.startswith("---")):  # front matter
        yield markdown_to_document(source).to_text()
    elif kind == "heading":  # nbformat 3
        level = cell.get("level")
        yield f"{'#' * min(level, 6) if isinstance(level, int) else '#'} {source}"
    elif kind == "code" and source.strip():
        yield f"```{language}\n{source}\n```"
    else:
        yield source
    for output in _list(cell, "outputs"):
        if isinstance(output, dict):
            yield _TERMINAL_CODES.sub("", _written(output))


def _written(output: dict[str, Any]) -> str:
    if "traceback" in output:
        return f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
    data = output.get("data")
    if isinstance(data, dict):
        return next((_text(data[kind]) for kind in _WRITTEN if kind in data), "")
    return _text(output.get("text"))


def _language(notebook: dict[str, Any]) -> str:
    """The kernel's; Python where the notebook doesn't say it."""
    metadata = notebook.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) and name.isalnum() else "python"


def _holds(mapping: dict[str, Any], *keys: str) -> bool:
    return any(isinstance(mapping.get(key), list) for key in keys)


def _list(mapping: dict[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    """Lines, or one string: both are allowed everywhere."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""

"""Code in a page: its lines as they were written, without the numbers beside them."""

from knowledge.documents.html.measure import BLOCKS
from knowledge.documents.html.tree import Element

_GUTTERS = frozenset(
    (
        *("linenos", "lineno", "linenumber", "linenumbers", "line-number", "line-numbers", "lines", "ln"),
        *("gutter", "rouge-gutter", "gl", "blob-num", "hljs-ln-numbers", "hljs-ln-line-number", "linenodiv"),
    )
)
_CODE_TABLES = frozenset(
    ("highlighttable", "rouge-table", "hljs-ln", "codehilitetable", "highlight", "js-file-line-container")
)
_ROWS = frozenset(("tbody", "thead", "tfoot"))


def code_text(element: Element) -> str:
    """The text of a ``<pre>``. Lines that are elements end where the element does."""
    parts: list[str] = []
    _gather(element, parts)
    return "".join(parts).strip("\n")


def _gather(element: Element, parts: list[str]) -> None:
    for child in element.children:
        if isinstance(child, str):
            parts.append(child)
        elif child.tag == "br":
            parts.append("\n")
        elif _is_gutter(child):
            continue
        elif child.tag in BLOCKS:
            _end_line(parts)
            _gather(child, parts)
            _end_line(parts)
        else:
            _gather(child, parts)


def _end_line(parts: list[str]) -> None:
    last = next((part for part in reversed(parts) if part), "\n")
    if not last.endswith("\n"):
        parts.append("\n")


def _is_gutter(element: Element) -> bool:
    if not (_GUTTERS & element.classes) and "data-line-number" not in element.attributes:
        return False
    return _is_numbers(element)


def _is_numbers(element: Element) -> bool:
    return all(word.strip(".:|").isdigit() or not word.strip(".:|") for word in element.text().split())


def code_of_table(table: Element) -> str | None:
    """The code in a table that shows it beside the numbers of its lines; ``None`` for other tables."""
    rows = _rows(table)
    named = bool(_CODE_TABLES & table.classes)
    lines: list[str] = []
    for cells in rows:
        if not named and not _is_numbered(cells):
            return None
        lines += [code_text(cell) for cell in cells if not (_is_gutter(cell) or _is_numbers(cell))]
    return "\n".join(lines) if lines else None


def _is_numbered(cells: list[Element]) -> bool:
    """Whether it is a cell of numbers beside one of code."""
    if len(cells) != 2 or not cells[0].text().strip() or not _is_numbers(cells[0]):
        return False
    return _GUTTERS & cells[0].classes != frozenset() or all(
        any(part.tag == "pre" for part in cell.elements()) for cell in cells
    )


def _rows(table: Element) -> list[list[Element]]:
    """Cells by row, without those of tables inside."""
    rows: list[list[Element]] = []
    for child in table.children:
        if isinstance(child, Element):
            if child.tag in _ROWS:
                rows += _rows(child)
            elif child.tag == "tr":
                rows.append([cell for cell in child.children if isinstance(cell, Element)])
    return rows

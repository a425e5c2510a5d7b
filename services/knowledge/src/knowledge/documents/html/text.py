"""A page's tree as Markdown-like text."""

import re

from knowledge.documents.html.code import code_of_table, code_text
from knowledge.documents.html.measure import BLOCKS
from knowledge.documents.html.tree import Element

_SPACES = re.compile(r"\s+")
_APART = frozenset(("label", "button", "option", "text"))
_LINE_END = "\x1e"
_TIGHT = frozenset(("li", "dt", "dd", "tr", "tbody", "thead", "tfoot", "summary", "figcaption"))
"""Blocks with no empty line before them."""

_COMPLEX = frozenset(("pre", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"))
"""What makes a table a layout: its cells are written one after the other."""

_ORDINALS = frozenset(
    ("st", "nd", "rd", "th", "er", "re", "e", "ème", "o", "a", "tm", "sm", "®", "™", "*", "†", "‡")
)
_MOST_INDENT = 8
_START_DIGITS = 9


def text_of(body: Element) -> str:
    """Headings, lists, tables and code in Markdown; everything else as it reads, without marks."""
    writer = _Writer()
    writer.children(body)
    writer.flush()
    return "\n".join(writer.lines).strip("\n")


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._run: list[str] = []
        self._indent = ""
        self._marker: str | None = None
        """What the next line begins with, once."""
        self._flat = 0
        """Inside a heading or a cell, where blocks begin no lines."""

    def children(self, element: Element) -> None:
        for child in element.children:
            if isinstance(child, str):
                self._run.append(child)
            elif child.tag in BLOCKS or child.is_heading:
                self._block(child)
            else:
                self._inline(child)

    def flush(self) -> None:
        """End the line."""
        if self._flat:
            self._run.append(" ")
            return
        text = _SPACES.sub(" ", "".join(self._run).replace(_LINE_END, "\x00")) if self._run else ""
        self._run = []
        for line in text.split("\x00"):
            if line := line.strip():
                self._write(line)

    def _write(self, line: str) -> None:
        marker, self._marker = self._marker, None
        self.lines.append((self._indent if marker is None else marker) + line)

    def _gap(self) -> None:
        """An empty line, unless the line that is about to be written is an item's first."""
        if self._marker is None and self.lines and self.lines[-1].strip("> "):
            self.lines.append(self._indent.rstrip() if ">" in self._indent else "")

    def _block(self, element: Element) -> None:
        tag = element.tag
        self.flush()
        if self._flat:
            self.children(element)
            self.flush()
            return
        if tag not in _TIGHT:
            self._gap()
        if tag == "pre":
            self._code(code_text(element))
        elif element.is_heading:
            self._heading(element)
        elif tag in ("ul", "ol", "menu"):
            self._list(element)
        elif tag == "table":
            self._table(element)
        elif tag == "blockquote":
            self._indented(element, "> ", "> ")
        else:
            self.children(element)
        self.flush()
        if tag not in _TIGHT:
            self._gap()

    def _heading(self, element: Element) -> None:
        level = element.tag[1:] if element.tag[0] == "h" else element.attributes.get("aria-level") or ""
        self._flat += 1
        self.children(element)
        self._flat -= 1
        text = _SPACES.sub(" ", "".join(self._run)).strip()
        self._run = []
        if text:
            self._write(f"{'#' * (int(level) if level in ('1', '2', '3', '4', '5', '6') else 2)} {text}")

    def _list(self, element: Element) -> None:
        start = element.attributes.get("start") or ""
        number = int(start) if start.isascii() and start.isdigit() and len(start) <= _START_DIGITS else 1
        for child in element.children:
            if isinstance(child, str):
                self._run.append(child)
            elif child.tag == "li":
                self.flush()
                mark = f"{number}. " if element.tag == "ol" else "- "
                number += 1
                self._indented(child, mark, " " * len(mark))
            elif child.tag in BLOCKS:
                self._block(child)
            else:
                self._inline(child)

    def _indented(self, element: Element, first: str, others: str) -> None:
        before = self._indent
        lead = before if self._marker is None else self._marker
        if len(before) < _MOST_INDENT:
            self._indent = before + others
        self._marker = lead + first
        self.children(element)
        self.flush()
        self._marker, self._indent = None, before

    def _code(self, code: str) -> None:
        if not code.strip():
            return
        for line in ("```", *code.split("\n"), "```"):
            self._write(line.rstrip())

    def _table(self, table: Element) -> None:
        if (code := code_of_table(table)) is not None:
            self._code(code)
            return
        if any(part.tag in _COMPLEX for part in table.elements() if part is not table):
            self.children(table)
            return
        rows = 0
        for row in _rows(table):
            if row.tag != "tr":
                self.flush()
                self.children(row)
                self.flush()
                self._gap()
                continue
            cells = [self._cell(cell) for cell in row.children if isinstance(cell, Element)]
            if not any(cells):
                continue
            self._write(f"| {' | '.join(cells)} |")
            rows += 1
            if rows == 1:
                self._write("|" + " --- |" * len(cells))

    def _cell(self, cell: Element) -> str:
        outer, self._run = self._run, []
        self._flat += 1
        self.children(cell)
        self._flat -= 1
        text = _SPACES.sub(" ", "".join(self._run).replace(_LINE_END, " ")).strip()
        self._run = outer
        return text

    def _inline(self, element: Element) -> None:
        tag, run = element.tag, self._run
        if tag == "br":
            run.append(" " if self._flat else _LINE_END)
        elif tag == "img":
            if element.attributes.get("aria-hidden") != "true":
                run.append(element.attributes.get("alt") or "")
        elif tag in ("sup", "msup"):
            self._raised(element)
        elif tag == "ruby":
            self._ruby(element)
        elif tag in ("code", "kbd", "samp") and element.text().strip():
            run.append("`")
            self.children(element)
            self._run.append("`")
        elif tag == "q":
            run.append("“")
            self.children(element)
            self._run.append("”")
        elif tag in _APART or "-" in tag or element.role in ("tab", "button"):
            run.append(" ")
            self.children(element)
            self._run.append(" ")
        else:
            self.children(element)

    def _raised(self, element: Element) -> None:
        """An exponent, a footnote's number, or the end of an ordinal."""
        if element.tag == "msup":
            children = [child for child in element.children if isinstance(child, Element)]
            base, exponent = (children[0].text(), children[1].text()) if len(children) == 2 else ("", "")
            self._run.append(f"{base.strip()}^{exponent.strip()}")
            return
        text = element.text().strip()
        before = next((part for part in reversed(self._run) if part), "")
        if any(isinstance(child, Element) and child.tag == "a" for child in element.children):
            self._run.append(text if text.startswith("[") else f"[{text}]" if text else "")
        elif text.casefold() in _ORDINALS or (not before[-1:].isalnum() and before[-1:] not in (")", "`")):
            self.children(element)
        elif text:
            self._run.append(f"^{text}" if text.lstrip("+-\u2212").isalnum() else f"^({text})")

    def _ruby(self, element: Element) -> None:
        """The word, then how it is read: readings between its characters would break it."""
        readings = [c.text() for c in element.children if isinstance(c, Element) and c.tag in ("rt", "rtc")]
        for child in element.children:
            if isinstance(child, str):
                self._run.append(child)
            elif child.tag not in ("rt", "rtc"):
                self._inline(child)
        self._run.append(f" ({''.join(readings)})" if readings else "")


def _rows(table: Element) -> list[Element]:
    """Rows, and what else stands in a table, such as its caption."""
    rows: list[Element] = []
    for child in table.children:
        if isinstance(child, Element):
            rows += _rows(child) if child.tag in ("tbody", "thead", "tfoot") else [child]
    return rows

"""Tables of GitHub Flavored Markdown: a row shows as many cells as its head has.

Source: https://github.github.com/gfm/#tables-extension-
"""

import re

_SIGN = re.compile(r"\\.|\|")
_RULE = re.compile(r":?-+:?")
_CODE = ("    ", "\t")
_OTHER_BLOCK = re.compile(r">|#{1,6}(?:\s|\Z)|[-*+]\s|\d{1,9}[.)]\s|<")


def without_surplus_cells(text: str) -> str:
    """``text``, which holds no fenced code, without the cells that no reader sees. Linear in its length.

    Text that is indented as code stays as it is.
    """
    if "-" not in text or "|" not in text:
        return text
    out, columns, head = list[str](), 0, 0
    for line in text.split("\n"):
        row = line.strip()
        if columns and row and not _OTHER_BLOCK.match(row):
            out.append(_cut(line, row, columns))
            continue
        cells = [] if line.startswith(_CODE) else _cells(row)
        columns = len(cells) if len(cells) == head and all(map(_RULE.fullmatch, cells)) else 0
        head = len(cells) if "|" in row else 0
        out.append(line)
    return "\n".join(out)


def _cells(row: str) -> list[str]:
    ends = _ends(row)
    starts = [row.startswith("|"), *(end + 1 for end in ends)]
    cells = [row[start:end].strip() for start, end in zip(starts, [*ends, len(row)], strict=True)]
    return cells if cells[-1] else cells[:-1]


def _ends(row: str) -> list[int]:
    """Where the signs between cells stand; the one that begins the row isn't among them."""
    return [sign.start() for sign in _SIGN.finditer(row, row.startswith("|")) if sign[0] == "|"]


def _cut(line: str, row: str, columns: int) -> str:
    ends = _ends(row)
    if len(ends) < columns or ends[columns - 1] == len(row) - 1:
        return line
    return line[: line.index(row) + ends[columns - 1] + 1]

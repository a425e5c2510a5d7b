"""MDX: Markdown with JavaScript. The page's code is removed; what a reader sees of it stays.

There is no maintained Python library for this, so this is a scanner. It skips ESM blocks, JSX tags,
``{expressions}`` and comments. Children of components, literal strings, and code in fences or backticks are
text.
"""

import re
from collections.abc import Iterator

from knowledge.documents.document import Document
from knowledge.documents.markdown import markdown_to_document

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ESM = re.compile(
    r"import\s*(?:[\"'{*]|type\b|[\w$]+\s*(?:,|\bfrom\b))"
    r"|export\s+(?:const|let|var|function|async|class|default|type|interface|[{*])"
)
_TAG = re.compile(r"</?(?:[A-Za-z][\w.-]*(?=[\s/>{])|>)")
_SHOWN = re.compile(r"\b(?:title|label|alt|description|summary)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_LITERAL = re.compile(r"\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|`([^`$]*)`)\s*")
_LONGEST = 20_000
"""Maximum characters of one tag, expression or code span: an unclosed one must not cost a scan of the whole
file."""

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def mdx_to_document(text: str) -> Document:
    """The readable text of an MDX file; front matter is read as in Markdown."""
    document = markdown_to_document(text)
    body = "".join(
        part if is_code else _strip_jsx(_strip_esm(part)) for is_code, part in _parts(document.text)
    )
    body = re.sub(r"\n(?:[ \t]*\n){2,}", "\n\n", body)
    return Document(body.lstrip("\n"), document.title, document.description)


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """(is it a fenced code block, its text), in order. Together they are the whole text."""
    fence, lines = "", list[str]()
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if not fence and match:
            yield False, "".join(lines)
            fence, lines = match[1], [line]
            continue
        lines.append(line)
        closes = match and match[1].startswith(fence) and not line[match.end() :].strip()
        if fence and closes:
            yield True, "".join(lines)
            fence, lines = "", []
    yield bool(fence), "".join(lines)


def _strip_esm(text: str) -> str:
    """The text without ``import`` and ``export`` statements; each ends at the line that closes its
    brackets."""
    kept, depth, inside = [], 0, False
    for line in text.splitlines(keepends=True):
        if not inside and _ESM.match(line):
            inside, depth = True, 0
        if not inside:
            kept.append(line)
            continue
        depth += sum(line.count(opening) - line.count(closing) for opening, closing in _CLOSING.items())
        inside = depth > 0 or (bool(line.strip()) and line.rstrip().endswith((",", "=", "=>", "from")))
    return "".join(kept)


def _strip_jsx(text: str) -> str:
    out: list[str] = []
    braces = _Braces(text)
    i = 0
    while i < len(text):
        match = re.compile(r"[`<{\\]").search(text, i)
        if match is None:
            break
        start = match.start()
        out.append(text[i:start])
        shown, i = _one(text, start, braces)
        out.append(shown)
    out.append(text[i:])
    return "".join(out)


def _one(text: str, start: int, braces: "_Braces") -> tuple[str, int]:
    """What a reader sees of the construct at ``start``, and where the construct ends."""
    character = text[start]
    if character == "\\":
        return text[start : start + 2], start + 2
    if character == "`":
        ticks = re.compile(r"`+").match(text, start)
        run = ticks[0] if ticks else "`"
        closing = re.compile(rf"(?<!`){run}(?!`)").search(text, start + len(run), start + _LONGEST)
        end = closing.end() if closing else start + len(run)
        return text[start:end], end
    is_tag = character == "<"
    if is_tag:
        closed = _end_of_tag(text, start, braces) if _TAG.match(text, start) else None
    else:
        closed = braces.end(start)
    if closed is None:
        return character, start + 1
    if is_tag:
        return "".join(f"{a or b} " for a, b in _SHOWN.findall(text[start:closed])), closed
    literal = _LITERAL.fullmatch(text, start + 1, closed - 1)
    return next(filter(None, literal.groups()), "") if literal else "", closed


def _end_of_tag(text: str, start: int, braces: "_Braces") -> int | None:
    i, limit = start + 1, min(len(text), start + _LONGEST)
    while i < limit:
        character = text[i]
        if character == ">":
            return i + 1
        if character in "\"'":
            closing = text.find(character, i + 1, limit)
            if closing < 0:
                return None
            i = closing + 1
        elif character == "{":
            closed = braces.end(i)
            if closed is None:
                return None
            i = closed
        elif character == "<" and i > start:
            return None
        else:
            i += 1
    return None


class _Braces:
    """Where ``{…}`` end, with strings and nested braces in them.

    What one scan learns of the braces inside is kept: else a row of ``{`` that never close costs a scan of
    ``_LONGEST`` characters for each of them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: dict[int, int | None] = {}

    def end(self, start: int) -> int | None:
        """The end of the one at ``start``; ``None`` when it never closes."""
        text = self._text
        if text.startswith("{/*", start):
            closing = text.find("*/}", start, start + _LONGEST)
            return closing + 3 if closing >= 0 else None
        if start not in self._ends:
            self._scan(start)
        return self._ends[start]

    def _scan(self, start: int) -> None:
        text, limit = self._text, min(len(self._text), start + _LONGEST)
        open_braces: list[int] = []
        i = start
        while i < limit:
            character = text[i]
            if character in "\"'`":
                closing = text.find(character, i + 1, limit)
                newline = text.find("\n", i + 1, limit)
                within = closing >= 0 and (character == "`" or newline < 0 or closing < newline)
                i = closing if within else i  # an apostrophe in prose doesn't open a string
            elif character == "{":
                open_braces.append(i)
            elif character == "}":
                self._ends[open_braces.pop()] = i + 1
                if not open_braces:
                    return
            i += 1
        # Those in the second half may still close beyond the limit of this scan.
        for brace in open_braces:
            if brace == start or brace < start + _LONGEST // 2 or limit == len(text):
                self._ends.setdefault(brace, None)

"""The JavaScript in MDX: where it ends, and which of its strings are text.

Read with tree-sitter and its grammar of TypeScript with JSX, which covers all of what MDX allows: 5 MB
installed, 1.1 s for the 238 MDX files (1.8 million characters) of the npm package ``ai`` 6.0, and it says of
broken code how far it is good. ``remark-mdx`` needs Node or V8, takes many times as long, and refuses a whole
page for one character; ``mdxjs-py`` is an alpha version that gives no tree.
"""

import re
from functools import cache

import tree_sitter
import tree_sitter_typescript

from knowledge.documents.javascript_text import shown_text

_FIRST_WINDOW = 512
_WIDER = 8
_TRIES = 16
_BLANK_LINE = re.compile(r"\n[ \t]*(?=\n)")
_REST_OF_LINE = re.compile(r"[ \t]*;?[ \t]*(?://.*|/\*.*\*/[ \t]*)?(?:\n|\Z)")
_OPENING, _CLOSING = frozenset(("(", "[", "{", "${")), frozenset((")", "]", "}"))
_MODULE = frozenset(("import_statement", "export_statement", "comment", "empty_statement"))
_NAMES = re.compile(r"\{[\w$.\s]*\}")
_STRING = re.compile(r"\{\s*(?:\"([^\"\\\n]*)\"|'([^'\\\n]*)'|`([^`\\$]*)`)\s*\}")
_BARE_AMPERSAND = re.compile(rb"&(?=[\w.%-]+=[^=])")
"""In an address, where the grammar takes it for the beginning of an entity and gives up."""

_AMPERSAND = "\x1a"
_AFTER_COMMENT = re.compile(r"\*/\s*\}")

Found = tuple[str, int]
"""What a reader sees of a piece of code, and where in the text it ends."""


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_typescript.language_tsx()))


class Javascript:
    """The code in one text. Altogether it parses no more than a multiple of the text's length: a row of
    braces that never close must not cost a scan for each of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = 8 * len(text) + 100_000
        self._next: dict[str, int] = {}

    def expression(self, start: int, limit: int) -> Found | None:
        """``{…}``; ``None`` unless it is one that ends before ``limit``."""
        if self._text.startswith("{#", start):  # an anchor, and in JavaScript nothing
            return None
        return self._plain(start, limit) or self._find(start, limit, "}", ("jsx_expression",))

    def tag(self, start: int, limit: int) -> Found | None:
        """``<Name …>`` or ``<Name … />``; ``None`` unless it is one that ends before ``limit``."""
        return self._find(start, limit, ">", ("jsx_opening_element", "jsx_self_closing_element"))

    def module(self, start: int) -> Found | None:
        """The ``import`` or the ``export`` at ``start``, with the line that it ends on.

        As the MDX compiler has it, an export goes to the first blank line before which all is JavaScript.
        An import ends with its statement.
        """
        text, at, depth, tries = self._text, start, 0, 0
        while at < len(text) and self._left > 0:
            blank = _BLANK_LINE.search(text, at + 1)
            at, before = (blank.start() if blank else len(text)), at
            self._left -= at - before
            depth += _depth(text[before:at])
            if depth and tries >= _TRIES:  # it seems to go on, and may cost a parse for each blank line
                continue
            tries += 1
            source = text[start:at].encode()
            root = self.parse(source)
            if first := _import_of(root):
                rest = _REST_OF_LINE.match(text, start + _characters(source, first.end_byte))
                if rest:
                    return "", rest.end()
            if not root.has_error and all(child.type in _MODULE for child in root.named_children):
                return shown_text(root, always=False), min(at + 1, len(text))
            if not _is_unfinished(root, source):
                return None
        return None

    def parse(self, source: bytes) -> tree_sitter.Node:
        """The root of its tree. Each call is counted by its length."""
        self._left -= len(source)
        return _parser().parse(source).root_node

    def _plain(self, start: int, limit: int) -> Found | None:
        """Names, a comment or a string, which are nearly all there is."""
        text = self._text
        found = _NAMES.match(text, start, limit) or _STRING.match(text, start, limit)
        if found:
            return next((string for string in found.groups() if string), ""), found.end()
        if text.startswith("{/*", start):
            after = _AFTER_COMMENT.match(text, self._first("*/", start + 3), limit)
            return ("", after.end()) if after else None
        return None

    def _first(self, sign: str, start: int) -> int:
        """Where ``sign`` is next, or the end of the text. It is looked for once."""
        found = self._next.get(sign, -1)
        if found < start:
            found = self._text.find(sign, start)
            found = len(self._text) if found < 0 else found
            self._next[sign] = found
        return found

    def _find(self, start: int, limit: int, closing: str, types: tuple[str, ...]) -> Found | None:
        text, size = self._text, _FIRST_WINDOW
        while self._left > 0:
            end = min(start + size, limit)
            size *= _WIDER
            if self._first(closing, start) < end:
                source = b"<>" + text[start:end].encode()  # what follows is a child of this
                node = _node_at(self.parse(source), 2, types)
                if node is None and _BARE_AMPERSAND.search(source):
                    source = _BARE_AMPERSAND.sub(_AMPERSAND.encode(), source)
                    node = _node_at(self.parse(source), 2, types)
                if node is not None:
                    shown = shown_text(node, always=closing == "}").replace(_AMPERSAND, "&")
                    return shown, start + _characters(source, node.end_byte) - 2
            if end == limit:
                break
        return None


def _node_at(root: tree_sitter.Node, byte: int, types: tuple[str, ...]) -> tree_sitter.Node | None:
    node = root.descendant_for_byte_range(byte, byte + 1)
    while node is not None and node.start_byte == byte:
        if node.type in types:
            return None if node.has_error else node
        node = node.parent
    return None


def _import_of(root: tree_sitter.Node) -> tree_sitter.Node | None:
    first = root.child(0)
    return first if first and first.type == "import_statement" and not first.has_error else None


def _characters(source: bytes, end: int) -> int:
    return len(source[:end].decode())


def _depth(code: str) -> int:
    return sum(code.count(sign) for sign in "([{") - sum(code.count(sign) for sign in ")]}")


def _is_unfinished(root: tree_sitter.Node, source: bytes) -> bool:
    """Whether more of it could make it right: something in it was opened and not closed."""
    depth, ticks = 0, 0
    waiting = [root]
    while waiting:
        node = waiting.pop()
        depth += (node.type in _OPENING) - (node.type in _CLOSING and not node.is_missing)
        ticks += node.type == "`" and not node.is_missing
        waiting += node.children
    return depth > 0 or ticks % 2 == 1 or source.rfind(b"/*") > source.rfind(b"*/")

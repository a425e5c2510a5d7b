"""Which strings in the JavaScript of a page are text.

What a component shows it is told by its attributes, and only it knows which. Sentences are text wherever they
stand: strings of three words and more. Shorter ones are, if their names say so. Styles, addresses and
the like never are.
"""

import html
import re

import tree_sitter

_SHOWN = frozenset(
    (
        *("title", "label", "alt", "description", "summary", "caption", "heading", "header", "subtitle"),
        *("content", "text", "question", "answer", "tooltip", "message", "quote", "body"),
    )
)
_SHOWN_IN_OBJECTS = frozenset(("name", "type", "term", "parameter", "default", "value"))
"""Tables of an API are arrays of such objects."""

_HIDDEN = re.compile(
    r"(?:[\w-]*[cC]lass(?:Name|Names|es)?|[\w]*[sS]tyles?|sx|css|tw|data-.*|on[A-Z]\w*"
    r"|id|key|ref|rel|href|src|srcSet|sizes|url|to|icon|slug|target|allow|sandbox"
    r"|d|viewBox|transform|points|fill|stroke|clipPath|strokeDasharray)\Z"
)
_INLINE = frozenset(
    (
        *("a", "abbr", "b", "cite", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span", "strong"),
        *("sub", "sup", "u", "var"),
    )
)
"""HTML elements in a line."""

_ELEMENTS = ("jsx_element", "jsx_self_closing_element")
_ENOUGH_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{2}")
_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{2}")
"""Two characters of scripts that put no spaces between words count as one."""

_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\s|.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "", "b": "", "f": "", "v": "", "0": "", "\n": ""}


def shown_text(node: tree_sitter.Node, *, always: bool) -> str:
    """What a reader sees of ``node``; objects and elements are lines of their own. ``always``: if it holds
    one string and nothing else, that is text however short it is."""
    if always and (only := _only_string(node)):
        return _value_of(only)
    pieces = list[str]()
    waiting: list[tuple[tree_sitter.Node | str, str]] = [(node, "")]
    while waiting:  # not by recursion: pages nest deeper than Python does
        item, name = waiting.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        kind = item.type
        if kind in ("string", "template_string"):
            value = _value_of(item)
            if is_shown(value, name):
                pieces += [value.strip(), " "]
        elif kind == "jsx_text":
            pieces.append(re.sub(r"\s+", " ", html.unescape(_source(item))))
        if kind in ("string", "import_statement", "comment", "regex", "jsx_text"):
            continue
        if kind == "object" or (kind in _ELEMENTS and _element(item) not in _INLINE):
            waiting.append(("\n", ""))
        waiting += reversed(_parts(item, name))
    text = re.sub(r" *\n[ \n]*", "\n", "".join(pieces)).strip()
    return text + ("\n" if "\n" in text else " ") if text else ""


def _parts(node: tree_sitter.Node, name: str) -> list[tuple[tree_sitter.Node | str, str]]:
    """What is below ``node``, each with the name that it is given."""
    if node.type in ("jsx_attribute", "pair"):
        key = node.named_child(0)
        if key is None or node.named_child_count < 2:
            return []
        name = _source(key).strip("\"'`")
        named = "" if _HIDDEN.match(name) else ("." if node.type == "pair" else "") + name
        return [(child, named) for child in node.named_children[1:]] if named else []
    if node.type == "export_statement":
        source = node.child_by_field_name("source")
        return [(child, name) for child in node.named_children if child != source]
    return [(child, name) for child in node.named_children]


def _element(node: tree_sitter.Node) -> str:
    opening = node.named_child(0) if node.type == "jsx_element" else node
    name = opening.child_by_field_name("name") if opening else None
    return _source(name) if name else ""


def _only_string(expression: tree_sitter.Node) -> tree_sitter.Node | None:
    [*inside] = [child for child in expression.named_children if child.type != "comment"]
    if len(inside) != 1 or inside[0].type not in ("string", "template_string"):
        return None
    return inside[0]


def is_shown(value: str, name: str) -> bool:
    """Whether the string that is given to ``name`` (``.name`` in an object) is text."""
    if _HIDDEN.match(name):
        return False
    if name.removeprefix(".") in _SHOWN or (name.startswith(".") and name[1:] in _SHOWN_IN_OBJECTS):
        return any(character.isalpha() for character in value)
    words = sum(_WORD.search(word) is not None for word in value.split())
    return words + len(_WITHOUT_SPACES.findall(value)) >= _ENOUGH_WORDS


def _value_of(string: tree_sitter.Node) -> str:
    """What a string is when the page runs; what is put into a template is left out."""
    if string.parent is not None and string.parent.type == "jsx_attribute":
        return html.unescape(_source(string)[1:-1])
    if string.type == "template_string":
        source = (string.text or b"")[1:-1]
        offset = string.start_byte + 1
        for child in reversed(string.named_children):
            if child.type == "template_substitution":
                source = source[: child.start_byte - offset] + source[child.end_byte - offset :]
        return _unescape(source.decode(errors="replace"))
    return _unescape(_source(string)[1:-1])


def _unescape(source: str) -> str:
    return _ESCAPE.sub(_escaped, source)


def _escaped(match: re.Match[str]) -> str:
    number = match[1] or match[2] or match[3]
    if number is None:
        return _ESCAPES.get(match[4], match[4])
    return chr(int(number, 16)) if int(number, 16) <= 0x10FFFF else ""


def _source(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode(errors="replace")

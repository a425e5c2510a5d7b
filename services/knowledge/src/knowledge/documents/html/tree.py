"""The part of a page's tree that can be seen. Lexbor parses it as the HTML standard says, as browsers do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from selectolax.lexbor import LexborHTMLParser, LexborNode

from knowledge.documents.document import UnsupportedContent

Attributes: TypeAlias = dict[str, str | None]

MAX_TAGS = 300_000
"""Pages with more are data."""

MAX_DEPTH = 400
"""Browsers show no more than 512 levels."""

_UNCLOSED = 5_000
"""Tags that are open at once: the parser looks through them at each tag."""

_NO_TEXT = frozenset(
    (
        *("script", "style", "noscript", "template", "iframe", "object", "embed", "canvas", "audio", "video"),
        *("head", "title", "select", "datalist", "textarea", "rp", "defs", "symbol", "metadata", "desc"),
        *("annotation", "annotation-xml"),
    )
)
_UNSEEN_CLASSES = frozenset(
    ("sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "screen-reader-only")
)
_UNSEEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_TEX = 'annotation[encoding="application/x-tex"]'
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BUTTON_WORDS = 4
"""Buttons with this many words say something; those with fewer do something."""

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)")
_NEVER_OPEN = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"),
        *("track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option"),
        *("path", "rect", "circle", "line", "polygon", "use"),
    )
)


@dataclass(slots=True)
class Element:
    """A tag with what can be seen in it. Texts are as in the source, spaces included."""

    tag: str
    attributes: Attributes = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)
    role: str = ""
    is_heading: bool = False

    def __post_init__(self) -> None:
        self.role = (self.attributes.get("role") or "").lower()
        self.is_heading = self.tag in _HEADINGS or self.role == "heading"

    @property
    def classes(self) -> frozenset[str]:
        return frozenset((self.attributes.get("class") or "").lower().split())

    def text(self) -> str:
        """All text in it, in order."""
        return "".join(node for node in self._nodes() if isinstance(node, str))

    def elements(self) -> Iterator["Element"]:
        """Itself and all elements in it, in order."""
        return (node for node in self._nodes() if isinstance(node, Element))

    def _nodes(self) -> Iterator["Element | str"]:
        stack: list[Element | str] = [self]
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, Element):
                stack.extend(reversed(node.children))


@dataclass(slots=True, frozen=True)
class Page:
    """``body`` is what can be seen."""

    title: str
    description: str
    body: Element


def parse_page(source: str) -> Page:
    """Raises :class:`UnsupportedContent` for a page with too many tags, or nested too deeply."""
    _check(source)
    parser = LexborHTMLParser(source)
    body = Element("body")
    if parser.body is not None:
        _copy(parser.body, body)
    return Page(_title(parser), _description(parser), body)


def _check(source: str) -> None:
    if source.count("<") > MAX_TAGS:
        raise UnsupportedContent(f"the page has more than {MAX_TAGS:,} tags")
    opened = 0
    for closing, name in _TAG.findall(source):
        if name.lower() not in _NEVER_OPEN:
            opened = max(opened - 1, 0) if closing else opened + 1
            if opened > _UNCLOSED:
                raise UnsupportedContent("the page is nested too deeply")


def _title(parser: LexborHTMLParser) -> str:
    for title in parser.css("title"):
        if title.parent is None or title.parent.tag in ("head", "body"):
            return " ".join(title.text().split())
    return ""


def _description(parser: LexborHTMLParser) -> str:
    for selector in ('meta[name="description" i]', 'meta[property="og:description"]'):
        meta = parser.css_first(selector)
        if meta and (content := meta.attributes.get("content")):
            return " ".join(content.split())
    return ""


def _copy(root: LexborNode, into: Element) -> None:
    """Copy what can be seen in ``root`` to ``into``."""
    parents, node = [into], root.first_child
    while node is not None:
        child = _copied(node, parents)
        if child is not None:
            parents.append(child)
            if len(parents) > MAX_DEPTH:
                raise UnsupportedContent("the page is nested too deeply")
            node = node.first_child
            continue
        while node is not None and node.next is None:
            node = node.parent
            parents.pop()
            if not parents:
                return
        node = node.next if node is not None else None


def _copied(node: LexborNode, parents: list[Element]) -> Element | None:
    """Add ``node`` to the last of ``parents``, if it can be seen; the element if its children are next."""
    if node.is_text_node:
        parents[-1].children.append(node.text_content or "")
    elif node.is_element_node:
        element = Element(node.tag or "", node.attributes)
        if formula := _formula(node, element):
            parents[-1].children.append(f" {formula} ")
        elif not _is_unseen(node, element, parents):
            parents[-1].children.append(element)
            return element if node.first_child is not None else None
    return None


def _formula(node: LexborNode, element: Element) -> str:
    """The TeX of a formula; ``""`` if this is none. It may be hidden, beside a picture of it."""
    if element.tag == "script" and (element.attributes.get("type") or "").startswith("math/tex"):
        tex = node.text()
    elif element.tag == "math":
        annotation = node.css_first(_TEX)
        tex = annotation.text() if annotation else element.attributes.get("alttext") or ""
    elif _is_hidden(element) and (annotation := node.css_first(_TEX)):
        tex = annotation.text()
    else:
        return ""
    return f"${' '.join(tex.split())}$" if tex.strip() else ""


def _is_unseen(node: LexborNode, element: Element, parents: list[Element]) -> bool:
    tag = element.tag
    if tag in _NO_TEXT or _UNSEEN_CLASSES & element.classes:
        return True
    if tag == "dialog" or element.role in ("dialog", "alertdialog"):
        return "open" not in element.attributes
    if tag == "button":
        return not _says_something(node, element, parents)
    return _is_hidden(element)


def _is_hidden(element: Element) -> bool:
    """Hidden for good: a tab's panel, or what a search in the page finds, can be brought up."""
    hidden = element.attributes.get("hidden", "until-found") != "until-found"
    if not hidden and not _UNSEEN_STYLE.search(element.attributes.get("style") or ""):
        return False
    return element.role != "tabpanel" and not any("tab" in name for name in element.classes)


def _says_something(node: LexborNode, element: Element, parents: list[Element]) -> bool:
    """Whether a button's words are part of the text: a heading that opens a section, a tab, a sentence."""
    if element.role == "tab" or any(parent.is_heading for parent in parents):
        return True
    if node.css_first("h1,h2,h3,h4,h5,h6"):
        return True
    if any(parent.tag in ("nav", "header", "aside") for parent in parents):
        return False
    opens = "aria-expanded" in element.attributes and "aria-haspopup" not in element.attributes
    return opens or len(node.text().split()) >= _BUTTON_WORDS

"""Takes away what leads elsewhere. Navigation is what lists links, whatever its tag is called; nothing goes
that says something."""

import re
from itertools import groupby

from knowledge.documents.html.measure import BLOCKS, PROSE_WORDS, Line, Measure, word_count
from knowledge.documents.html.tree import Element

_NAVIGATION = frozenset(
    (
        "navigation",
        "banner",
        "contentinfo",
        "complementary",
        "search",
        "menu",
        "menubar",
        "dialog",
        "alertdialog",
    )
)
_NAMED_TAGS = frozenset(("nav", "header", "footer", "aside", "menu", "search", "dialog"))
_NAMES = frozenset(
    (
        *("nav", "navbar", "navigation", "sidebar", "breadcrumb", "breadcrumbs", "toc", "menu", "pagination"),
        *(
            "contents",
            "pager",
            "related",
            "footer",
            "skip",
            "prev",
            "next",
            "previous",
            "tags",
            "share",
            "social",
        ),
    )
)
_WORDS = re.compile(r"[a-z]+|[A-Z][a-z]*")
_HELP = frozenset(("mdbook-help-container", "mdbook-help-popup"))
"""Ids of what a script shows when it is asked for."""

_PERMALINKS = frozenset(
    (
        *(
            "headerlink",
            "anchor",
            "header-anchor",
            "heading-anchor",
            "hash-link",
            "permalink",
            "sl-anchor-link",
        ),
        *("anchorjs-link", "anchor-link", "heading-link", "direct-link", "viewcode-back", "deep-link"),
    )
)
_PAGING = frozenset(("prev", "next"))
_FOOTERS = frozenset(("footer", "copyright", "imprint", "legal"))
_IMPRINT_WORDS = 60
_LISTS = frozenset(("ul", "ol", "menu"))


def remove_navigation(body: Element) -> dict[int, Measure]:
    """The measure of each element that is left, by ``id``."""
    headings = (element.text() for element in body.elements() if element.is_heading)
    pruning = _Pruning(frozenset(map(_letters, headings)) - {""})
    pruning.prune(body)
    return pruning.measures


class _Pruning:
    """Prunes from the leaves upward; ``measures`` are of what is left, by ``id`` of the element."""

    def __init__(self, headings: frozenset[str]) -> None:
        self._texts_of_headings = headings
        self.measures: dict[int, Measure] = {}
        self._line = Line()
        self._linked = self._headings = self._content = self._chrome = 0

    def prune(self, element: Element) -> Measure:
        """What is left of ``element``."""
        is_block = element.tag in BLOCKS
        measure = Measure()
        link = element.tag == "a" and "href" in element.attributes and element.role != "tab"
        heading = element.is_heading
        content, chrome = element.tag in ("main", "article", "section"), is_named(element)
        self._linked += link
        self._headings += heading
        self._content += content
        self._chrome += chrome
        if link:
            self._line.links += 1
            if "#" in (element.attributes.get("href") or ""):
                self._line.anchors += _letters(element.text()) in self._texts_of_headings
        kept: list[Element | str] = []
        for child in _blocks_of(element):
            if isinstance(child, str):
                self._line.add(child, linked=self._linked > 0)
                kept.append(child)
                continue
            if _is_decoration(child) or self._is_permalink(child):
                continue
            if child.tag in BLOCKS:
                measure.add(self._line.end(element, heading=self._headings > 0))
            of_child = self.prune(child)
            if child.tag in BLOCKS and self._is_navigation(child, of_child):
                continue
            measure.add(of_child)
            kept.append(child)
        if is_block:
            measure.add(self._line.end(element, heading=self._headings > 0))
        element.children = kept
        self._linked -= link
        self._headings -= heading
        self._content -= content
        self._chrome -= chrome
        self.measures[id(element)] = measure
        return measure

    def _is_permalink(self, element: Element) -> bool:
        """A link to the place where it stands: a sign, or a word that its heading doesn't consist of."""
        if element.tag != "a":
            return False
        if _PAGING & frozenset((element.attributes.get("rel") or "").lower().split()):
            return True
        if "#" not in (element.attributes.get("href") or ""):
            return False
        text = element.text()
        if "skip" in _class_words(element):
            return True
        if not any(character.isalnum() for character in text):
            return not any(isinstance(child, Element) and child.tag == "img" for child in element.children)
        return (
            self._headings > 0
            and bool(_PERMALINKS & element.classes)
            and len(text.split()) <= 1
            and (text.strip().lower() in ("link", "permalink", "anchor"))
        )

    def _is_navigation(self, element: Element, measure: Measure) -> bool:
        if not measure.words:
            return False
        if element.attributes.get("id") in _HELP:
            return True
        if self._is_imprint(element, measure):
            return True
        if measure.prose:
            return False
        if element.tag in _LISTS and measure.is_contents:
            return True
        if is_named(element):
            return self._names_navigation(element, measure)
        return measure.is_dense and (self._chrome > 0 or bool(_NAMES & _class_words(element)))

    def _is_imprint(self, element: Element, measure: Measure) -> bool:
        """Whether it is the footer of a site: it says whose the page is, and little else."""
        if not measure.imprints or measure.prose > _IMPRINT_WORDS or self._content:
            return False
        named = element.tag == "footer" or element.role == "contentinfo"
        return named or bool(_FOOTERS & _class_words(element))

    def _names_navigation(self, element: Element, measure: Measure) -> bool:
        """Of what is named as navigation and has no text: whether it is none all the same."""
        if element.tag == "header":
            titled = measure.words - measure.linked - measure.plain
            return measure.is_dense or not (titled or (self._content and measure.plain))
        if element.tag == "aside" and element.role != "navigation":
            return measure.is_dense or measure.plain < 2
        return True


def _blocks_of(element: Element) -> list[Element | str]:
    """Its children, with the text between two blocks in a block of its own, as CSS has it."""
    children = element.children
    if not any(isinstance(child, Element) and child.tag in BLOCKS for child in children):
        return children
    blocks: list[Element | str] = []
    for between, group in groupby(children, lambda child: isinstance(child, str) or child.tag not in BLOCKS):
        texts = list(group)
        if between and any(isinstance(text, Element) or text.strip() for text in texts):
            blocks.append(Element("div", children=texts))
        else:
            blocks += texts
    return blocks


def _is_decoration(element: Element) -> bool:
    """Whether screen readers skip it because it is a picture of what is said beside it. A paragraph isn't."""
    if element.attributes.get("aria-hidden") != "true" or element.tag == "p":
        return False
    return "katex-html" in element.classes or word_count(element.text()) < PROSE_WORDS


def is_named(element: Element) -> bool:
    """Whether its tag or role says that it stands beside the text."""
    return element.tag in _NAMED_TAGS or element.role in _NAVIGATION


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _class_words(element: Element) -> frozenset[str]:
    named = f"{element.attributes.get('class') or ''} {element.attributes.get('id') or ''}"
    return frozenset(word.lower() for word in _WORDS.findall(named))

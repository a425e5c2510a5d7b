"""The part of a page that holds its text.

It need not be the first ``<main>`` or ``<article>``: it is the innermost element that holds all sentences but
a fiftieth. Around it only headers stay, and what says much.
"""

from knowledge.documents.html.measure import BLOCKS, Measure
from knowledge.documents.html.tree import Element

MOST_LOST = 0.02
"""Share of a page's sentences that may stand outside the main part and be left out."""

_WRAPPERS = frozenset(("body", "div", "section", "form", "center", "table", "tbody", "tr", "td"))
_FEW_WORDS = 30
_LISTED = 3
"""As many links beside the text are a menu, though nothing names it."""


def keep_main_part(body: Element, measures: dict[int, Measure]) -> None:
    """Remove from ``body`` what stands beside its text. ``measures`` are of its elements, by ``id``."""
    _MainPart(body, measures).keep()


class _MainPart:
    def __init__(self, body: Element, measures: dict[int, Measure]) -> None:
        self._body, self._measures = body, measures
        self._total, self._led = measures[id(body)], Measure()
        self._around: set[int] = set()
        """Elements that are a named main part with text, or hold one."""
        self._find_named(body)

    def keep(self) -> None:
        node: Element | None = self._body
        while node is not None and not self._is_named(node):
            node = self._keep_in(node)

    def _keep_in(self, node: Element) -> Element | None:
        """The child that holds the text; what is beside it is removed. ``None`` when there is no such child:
        the text is in several."""
        children = [child for child in node.children if isinstance(child, Element)]
        leads = {id(child) for child in children if self._leads(child)}
        for child in children:
            if id(child) in leads:
                self._led.add(self._measures[id(child)])
        inner = next((child for child in children if id(child) not in leads and self._holds_all(child)), None)
        node.children = [
            child
            for child in node.children
            if isinstance(child, str)
            or child is inner
            or id(child) in leads
            or id(child) in self._around
            or not self._is_beside(child, inner)
        ]
        return inner

    def _find_named(self, element: Element) -> bool:
        found = self._is_named(element)
        for child in element.children:
            if isinstance(child, Element) and self._find_named(child):
                found = True
        if found:
            self._around.add(id(element))
        return found

    def _is_named(self, element: Element) -> bool:
        named = element.tag in ("main", "article") or element.role == "main"
        return named and self._measures[id(element)].words > 0

    def _leads(self, element: Element) -> bool:
        """Whether it is the page's header, with a title or lead. Others were removed as navigation."""
        if element.tag == "header" or element.role == "banner":
            return self._measures[id(element)].words > 0
        children = [child for child in element.children if isinstance(child, Element) or child.strip()]
        only = children[0] if len(children) == 1 else None
        return isinstance(only, Element) and self._leads(only)

    def _holds_all(self, element: Element) -> bool:
        wraps = element.tag in _WRAPPERS or element.tag not in BLOCKS
        if not wraps and id(element) not in self._around:
            return False
        measure, total, share = self._measures[id(element)], self._total, 1 - MOST_LOST
        if not total.prose:
            return id(element) in self._around
        sentences, prose = total.sentences - self._led.sentences, total.prose - self._led.prose
        return measure.sentences >= share * sentences and measure.prose >= share * prose

    def _is_beside(self, element: Element, inner: Element | None) -> bool:
        measure = self._measures[id(element)]
        if not self._around:
            return inner is not None and self._is_menu(element, self._measures[id(inner)])
        if measure.prose:
            return inner is not None and id(inner) in self._around
        return measure.is_dense or measure.plain <= _FEW_WORDS

    def _is_menu(self, element: Element, inner: Measure) -> bool:
        """Whether it lists links, beside more text in ``inner`` than these have, on a page that names no main
        part."""
        measure = self._measures[id(element)]
        listed = measure.links >= _LISTED and measure.is_dense and not measure.prose
        return (
            listed and measure.linked < inner.prose and all(part.tag != "h1" for part in element.elements())
        )

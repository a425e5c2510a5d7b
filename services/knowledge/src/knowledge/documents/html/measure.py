"""How much an element says, and how much of that is links.

As readability and trafilatura do, navigation is told from text by the share of its words that stand in links
(Kohlschütter et al., "Boilerplate Detection using Shallow Text Features", WSDM 2010).
"""

import re
from dataclasses import dataclass

from knowledge.documents.html.tree import Element

BLOCKS = frozenset(
    (
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "body",
            "caption",
            "center",
            "dd",
            "details",
            "dialog",
        ),
        *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4"),
        *("h5", "h6", "header", "hgroup", "hr", "legend", "li", "main", "menu", "nav", "ol", "p", "pre"),
        *("search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    )
)
"""What begins on a line of its own."""

PROSE_WORDS = 5
"""A line with as many words outside links is text, wherever it stands; a menu's entry has fewer."""

_SENTENCE_WORDS = 2
_SENTENCE_END = re.compile(r"[.!?\u3002\uff01\uff1f\u2026][\"'\u201d\u2019)\]\s]*\Z")
_SENTENCE = re.compile(r"[.!?\u2026](?=[\"'\u201d\u2019)\]]*(?:\s|\Z))|[\u3002\uff01\uff1f]")
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_TEXT_TAGS = frozenset(("p", "td", "th", "dd", "dt", "blockquote", "figcaption"))
_IMPRINT = re.compile(
    r"\s*(?:©|\(c\)\s|copyright\b|all rights reserved|last (?:updated?|modified|built)\b"
    r"|(?:created|built|made|generated|hosted|powered|rendered) (?:using|with|by|on)\b)",
    re.IGNORECASE,
)
"""Lines at the end of every page of a site."""


@dataclass(slots=True)
class Measure:
    """Words, those of them in links; the number of links, and of those that name a heading of the
    page; the words of lines that are prose, and the sentences in these; words outside links and headings;
    lines of an imprint."""

    words: int = 0
    linked: int = 0
    links: int = 0
    anchors: int = 0
    prose: int = 0
    sentences: int = 0
    plain: int = 0
    imprints: int = 0

    def add(self, other: "Measure") -> None:
        self.words += other.words
        self.linked += other.linked
        self.links += other.links
        self.anchors += other.anchors
        self.prose += other.prose
        self.sentences += other.sentences
        self.plain += other.plain
        self.imprints += other.imprints

    @property
    def is_dense(self) -> bool:
        """Whether links are at least half of it."""
        return self.links > 0 and 2 * self.linked >= self.words

    @property
    def is_contents(self) -> bool:
        """Whether it lists headings of its own page: what it says is said there."""
        return self.links > 1 and 2 * self.anchors > self.links and 5 * self.linked >= 4 * self.words


class Line:
    """One line of text as it is gathered: words between two ends of blocks."""

    def __init__(self) -> None:
        self._all: list[str] = []
        self._plain: list[str] = []
        self.links = self.anchors = 0

    def add(self, text: str, *, linked: bool) -> None:
        self._all.append(text)
        if not linked:
            self._plain.append(text)

    def end(self, element: Element, *, heading: bool) -> Measure:
        """What the line says, which ends in ``element``; it begins again."""
        text, plain = "".join(self._all), " ".join(self._plain)
        measure = Measure(links=self.links, anchors=self.anchors)
        self._all, self._plain, self.links, self.anchors = [], [], 0, 0
        if not text.strip():
            return measure
        measure.words, unlinked = word_count(text), word_count(plain)
        measure.linked = max(measure.words - unlinked, 0)
        measure.plain = 0 if heading else unlinked
        measure.imprints = 1 if _IMPRINT.match(text) else 0
        if not heading and not measure.imprints and _is_prose(element, text, unlinked):
            measure.prose, measure.sentences = unlinked, len(_SENTENCE.findall(text))
        return measure


def word_count(text: str) -> int:
    """Words; of scripts that have none, one for two characters."""
    ideographs = len(_IDEOGRAPH.findall(text))
    if not ideographs:
        return len(text.split())
    return len(_IDEOGRAPH.sub(" ", text).split()) + (ideographs + 1) // 2


def _is_prose(element: Element, text: str, unlinked: int) -> bool:
    if element.tag == "pre":
        return unlinked > 0
    least = _SENTENCE_WORDS if element.tag in _TEXT_TAGS else PROSE_WORDS
    ends = unlinked >= _SENTENCE_WORDS and _SENTENCE_END.search(text) is not None
    return unlinked >= least or ends

"""What is indexed of a page is what its reader sees, in the shapes that documentation generators render."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from knowledge.documents import read_document

PAGES = sorted((Path(__file__).parents[2] / "fixtures/pages").glob("*.html"))
FRUITS = re.compile(
    r"apple|banana|cherry|damson|elderberry|\bfig\b|grape|honeydew|jackfruit|kiwi|lemon|mango|nectarine|orange|papaya"
    r"|quince|raspberry|strawberry|tangerine",
    re.IGNORECASE,
)
INLINE = (
    "a",
    "b",
    "em",
    "i",
    "span",
    "sup",
    "sub",
    "code",
    "kbd",
    "math",
    "semantics",
    "mrow",
    "mi",
    "mo",
    "mn",
)


class Sentences(HTMLParser):
    """The lines of a page that end with a full stop, without what stands in links or formulas; apart from the
    reader under test."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._line: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in ("script", "style", "dialog", "pre", "title")
        if tag not in INLINE:
            self._end()
        else:
            self._line.append("\n" if tag in ("math", "sup", "a") else "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in INLINE:
            self._end()
        self._unseen -= tag in ("script", "style", "dialog", "pre", "title")
        if tag in ("math", "sup", "a"):
            self._line.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._line.append(data)

    def _end(self) -> None:
        line, self._line = "".join(self._line).replace("\xad", "").strip(), []
        if line.endswith(".") and not FRUITS.search(line) and "©" not in line:
            self.found += [" ".join(part.split()) for part in line.split("\n") if len(part.split()) > 1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_sentence_of_a_page_is_in_its_text_and_no_menu_is(page: Path) -> None:
    text = read_document("a.html", page.read_bytes())
    sentences = Sentences()
    sentences.feed(page.read_text())
    assert len(sentences.found) >= 5
    assert [sentence for sentence in sentences.found if sentence not in text] == []
    assert FRUITS.findall(text) == []


@pytest.mark.parametrize("page", [page for page in PAGES if "<pre" in page.read_text()], ids=lambda p: p.stem)
def test_lines_of_code_stay_lines_without_their_numbers(page: Path) -> None:
    lines = read_document("a.html", page.read_bytes()).split("\n")
    first = next(number for number, line in enumerate(lines) if 'find("red")' in line)
    assert re.fullmatch(r'(const |let )?lever = find\("red"\);?', lines[first])
    assert re.fullmatch(r"lever\.pull\(\);?", lines[first + 1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_headings_are_whole_and_bear_no_signs(page: Path) -> None:
    text = read_document("a.html", page.read_bytes())
    headings = [line.lstrip("# ") for line in text.split("\n") if line.startswith("#")]
    assert headings[0].startswith("Levers")
    assert [heading for heading in headings if not re.fullmatch(r"[A-Za-z |—.0-9-]+", heading)] == []

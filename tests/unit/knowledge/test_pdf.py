"""PDFs: words are whole, and what can't be read is told."""

import zlib
from collections.abc import Callable

import pytest

from knowledge.documents import UnsupportedContent, read_document, read_noted
from knowledge.documents.typesetting import as_words
from tests.support.pdf import make_pdf, without_second_page

PAGES = ("The first page is about levers.", "The second page is about pumps.", "The third page is the end.")


def unknown_filter(pdf: bytes) -> bytes:
    return replaced_stream(pdf, b"/Filter /Secret", zlib.compress(PAGES[1].encode()))


def broken_stream(pdf: bytes) -> bytes:
    return replaced_stream(pdf, b"/Filter /FlateDecode", b"\x00\x01 no deflated data")


def replaced_stream(pdf: bytes, entries: bytes, content: bytes) -> bytes:
    """``pdf`` with another content for its second page."""
    start = pdf.index(b"7 0 obj")
    stream = b"7 0 obj\n<< /Length %d %s >>\nstream\n%s\nendstream\nendobj\n" % (
        len(content),
        entries,
        content,
    )
    return pdf[:start] + stream + pdf[pdf.index(b"8 0 obj") :]


@pytest.mark.parametrize(
    ("damage", "note"),
    [
        (unknown_filter, "page 2: empty, or damaged"),
        (broken_stream, "page 2: empty, or damaged"),
        (without_second_page, "page 2: damaged and left out"),
    ],
)
def test_one_damaged_page_is_told_and_the_others_are_read(
    damage: Callable[[bytes], bytes], note: str
) -> None:
    text, told = read_noted("a.pdf", damage(make_pdf(PAGES)))
    assert told == note
    assert PAGES[0] in text
    assert PAGES[2] in text


def test_a_whole_file_has_no_note_and_one_without_a_readable_page_is_refused() -> None:
    assert read_noted("a.pdf", make_pdf(PAGES)) == ("\n\n".join(PAGES), "")
    with pytest.raises(UnsupportedContent, match="none of its pages can be read"):
        read_document(
            "a.pdf", without_second_page(make_pdf(["", ""])).replace(b"4 0 R 6 0 R", b"6 0 R 6 0 R")
        )


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("an eﬃcient ﬁnd of ﬂoats", "an efficient find of floats"),
        ("an effi-\ncient lever", "an efficient lever"),
        ("an eﬃ-\r\ncient lever", "an efficient lever"),
        ("an eﬃ-\n\ncient lever", "an efficient lever"),
        ("a well-\nknown lever is well-known", "a well-known lever is well-known"),
        ("the S-\nPlus tool of page 10-\n12", "the S-Plus tool of page 10-12"),
        ("a range of 3 -\n5 levers", "a range of 3 -\n5 levers"),
        ("2³¹ and ½ and H₂O", "2³¹ and ½ and H₂O"),
        ("Ｌｅｖｅｒ ⾦ ℱ", "Lever 金 F"),  # noqa: RUF001
        ("Math´ematiques, na¨\u0131ve", "Mathématiques, naïve"),  # noqa: RUF001
        ("so\u00adft and no\u00a0break\u0012", "soft and no break "),
        ("cafe\u0301", "café"),
    ],
)
def test_words_are_as_they_are_read(printed: str, words: str) -> None:
    assert as_words(printed) == words


@pytest.mark.parametrize("word", ["a" * 500_000, "a-" * 250_000 + "a"])
def test_a_word_without_end_is_read_once(word: str) -> None:
    assert as_words(word) == word

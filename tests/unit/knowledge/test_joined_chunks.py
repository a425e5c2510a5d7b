"""A document's text is put together from its chunks: what neighbours share is there once."""

from hypothesis import given
from hypothesis import strategies as st

from knowledge.content.chunks.chunker import chunk_text
from knowledge.reading.rules import LEAST_OVERLAP, join, overlap_of

WORDS = st.lists(st.text("abcde ", min_size=1, max_size=12), min_size=1, max_size=200).map(" ".join)


def test_the_shared_end_is_found_within_its_bound() -> None:
    assert overlap_of("one two three four", "three four five", 200) == len("three four")
    assert overlap_of("one two three four", "three four five", LEAST_OVERLAP) == 0
    assert overlap_of("one two three four", "five six seven", 200) == 0
    assert overlap_of("short", "short", 200) == 0, "too short to be more than chance"


def test_texts_without_a_shared_end_are_parted() -> None:
    assert join(["First part.", "Second part."], 200) == "First part.\nSecond part."
    assert join(["First part. ", "Second part."], 200) == "First part. Second part."
    assert join([], 200) == ""


def test_a_window_begins_where_the_one_before_it_ended() -> None:
    chunks = ["one two three four", "three four five six", "five six seven"]
    assert join(chunks[:1], 200) == "one two three four"
    assert join(chunks[1:2], 200, chunks[0]) == " five six"
    assert join(chunks[2:], 200, chunks[1]) == " seven"


@given(WORDS)
def test_every_word_is_there_once_in_its_order(text: str) -> None:
    """Of a text whose words are numbered, so that no two places are alike."""
    numbered = " ".join(f"{word}{number}" for number, word in enumerate(text.split()))
    chunks = chunk_text(numbered, size=120, overlap=40)
    assert join(chunks, 40).split() == numbered.split()


def test_in_a_text_that_repeats_itself_the_search_for_an_end_gives_up() -> None:
    """Else it would compare each place with each other one."""
    before, after = "ab" * 2_000 + "c", "ab" * 2_000 + "d"
    assert overlap_of(before, after, 4_001) == 0
    assert overlap_of("ab" * 2_000, after, 4_001) == 4_000

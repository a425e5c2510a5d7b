"""Chunks cover the text, stay within their size, and never degenerate."""

# ruff: noqa: RUF001 - signs of other scripts

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.content.chunks.chunker import chunk_text

TEXTS = st.text(alphabet=st.sampled_from("ab .\n\té🦆"), max_size=4000)


def test_a_text_of_1001_characters_is_two_chunks() -> None:
    """The Node application makes 153 of it: a tail of chunks shifted by one character."""
    assert [len(chunk) for chunk in chunk_text("x" * 1001)] == [1000, 201]
    assert len(chunk_text("word " * 200 + "w")) == 2


@pytest.mark.parametrize(
    ("length", "expected"), [(0, 0), (1, 1), (1000, 1), (1800, 2), (1801, 3), (10_000, 13)]
)
def test_a_text_without_boundaries_is_cut_at_the_size(length: int, expected: int) -> None:
    assert len(chunk_text("x" * length)) == expected


def test_a_chunk_ends_at_a_paragraph_then_a_line_then_a_sentence() -> None:
    paragraph = "a" * 650 + "\n\n"
    assert chunk_text(paragraph + "b" * 900)[0] == paragraph
    sentences = "One thing. " * 100
    assert all(chunk.endswith(". ") for chunk in chunk_text(sentences)[:-1])


def test_the_next_chunk_begins_at_a_word() -> None:
    chunks = chunk_text("alphabet " * 500)
    assert all(chunk.startswith("alphabet") for chunk in chunks)


@given(text=TEXTS, size=st.integers(1, 300), share=st.floats(0, 0.99))
def test_every_text_is_covered_by_chunks_within_bounds(text: str, size: int, share: float) -> None:
    overlap = int(size * share)
    chunks = chunk_text(text, size=size, overlap=overlap)
    places = {(-1, 0)}  # (start of the last chunk, end of what is covered): text that repeats allows several
    for chunk in chunks:
        assert 0 < len(chunk) <= size
        places = {
            (start, start + len(chunk))
            for last, covered in places
            for start in range(last + 1, len(text))
            if text.startswith(chunk, start)
            and start + len(chunk) > covered
            and not text[covered:start].strip()
        }
        assert places, "each chunk brings something new, and only white space is left out between two"
    assert any(not text[covered:].strip() for _, covered in places)
    assert chunks == chunk_text(text, size=size, overlap=overlap)


@given(length=st.integers(0, 5000), size=st.integers(2, 400), share=st.floats(0, 0.99))
def test_the_number_of_chunks_is_what_the_sizes_allow(length: int, size: int, share: float) -> None:
    overlap = int(size * share)
    for text in ("x" * length, ("word " * length)[:length]):
        least_new = max(1, (size - overlap) // 2)
        assert len(chunk_text(text, size=size, overlap=overlap)) <= length // least_new + 1


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (100, 100), (100, -1), (100, 200)])
def test_impossible_sizes_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        chunk_text("text", size=size, overlap=overlap)


SENTENCES = {
    "Chinese": "打开配置文件，找到超时设置，把它改成三十秒。然后重新启动服务！完成了吗？",
    "Japanese": "設定ファイルを開き、待ち時間を三十秒に変更します。「本当によろしいですか？」と聞かれます。",
    "half-width": "ｾｯﾃｲｦ ﾋﾗｷ､ｶｴﾏｽ｡ﾂｷﾞﾆ ｻｲｷﾄﾞｳ ｼﾏｽ｡",
    "in quotes": "“打开配置文件，然后保存。”他说。（这一步不能省略！）",
    "Hindi": "लीवर को धीरे से खींचें। फिर तीस सेकंड तक रुकें। ",
    "Arabic": "اسحب الرافعة ببطء. هل انتظرت؟ نعم. ",
    "English": 'Pull the lever. "Did you wait?" (Yes.) ',
}


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=list(SENTENCES))
@pytest.mark.parametrize("size", [200, 1000])
def test_a_chunk_ends_with_a_sentence_in_any_script(sentence: str, size: int) -> None:
    chunks = chunk_text(sentence * 100, size=size, overlap=size // 5)
    assert len(chunks) > 1
    for chunk in chunks[:-1]:
        assert re.search(r"[.!?。！？｡।؟][\"'”」）)]*\s*\Z", chunk)
    for chunk in chunks[1:]:
        start = (sentence * 2).index(chunk[: len(sentence)])
        assert start == 0 or sentence[start - 1] in " ，、､。！？｡”」」）"


def test_no_letter_is_parted_from_its_marks() -> None:
    for letter in ("é", "कि", "👩‍👩‍👧‍👦", "ที่", "☕️"):
        for chunk in chunk_text(letter * 500, size=101, overlap=20)[:-1]:
            assert chunk.endswith(letter)

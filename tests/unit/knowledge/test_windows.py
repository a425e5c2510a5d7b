"""Nothing is embedded that the model doesn't read to its end."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from knowledge.content.chunks.chunker import Cutter, Sizes
from knowledge.content.chunks.outline import outline_of
from knowledge.content.files.rules import read_texts
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.embeddings.providers import window_of
from knowledge.settings import KnowledgeSettings
from knowledge.windows import Window, lead_of

assert MiniLmEmbedder.window is not None
MINILM: Window = MiniLmEmbedder.window
TOKENIZER = Tokenizer.from_file(str(MINILM.tokenizer))
TOKENIZER.no_truncation()
TOKENIZER.no_padding()

PIECES = st.sampled_from(
    (
        *("word ", "unbelievably", "\n\n", "# Head\n", "## Über\n", "```\n", "| a | b |\n", "x" * 130, "\t"),
        *("漢字", "🦆", "कि", "{}();", "ab12_", ". ", "~~~\n", "﷽", " " * 40),
    )
)
TEXTS = st.lists(PIECES, max_size=150).map("".join)


def tokens_of(embedded: str) -> int:
    return len(TOKENIZER.encode(embedded).ids)


@settings(max_examples=60, deadline=None)
@given(
    text=TEXTS,
    tokens=st.sampled_from([64, 100, 256]),
    size=st.integers(10, 3000),
    share=st.floats(0, 0.9),
)
def test_no_chunk_is_longer_than_the_window_and_every_sign_is_in_one(
    text: str, tokens: int, size: int, share: float
) -> None:
    window = Window(tokens, MINILM.tokenizer)
    outline = outline_of(text, markdown=True)
    sizes = Sizes(size, int(size * share))
    spans = Cutter(text, sizes, outline, window).cut()
    covered = 0
    for start, end in spans:
        assert 0 < end - start <= size
        lead = lead_of(outline.title, outline.path_of(text, start), window)
        assert tokens_of(lead + text[start:end]) <= tokens
        assert not text[covered:start].strip()
        covered = end
    assert not text[covered:].strip()
    assert all(
        after[0] > before[0] and after[1] > before[1] and before[1] - after[0] <= sizes.overlap
        for before, after in pairwise(spans)
    )
    assert spans == Cutter(text, sizes, outline, window).cut()


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=2000), tokens=st.integers(64, 600))
def test_without_a_tokenizer_no_chunk_has_more_bytes_than_the_window_tokens(text: str, tokens: int) -> None:
    window, outline = Window(tokens), outline_of(text, markdown=True)
    for start, end in Cutter(text, Sizes(1000, 200), outline, window).cut():
        lead = lead_of(outline.title, outline.path_of(text, start), window)
        assert len((lead + text[start:end]).encode()) <= tokens


def test_a_tokenizer_that_makes_more_of_parts_of_words_is_believed(tmp_path: Path) -> None:
    """One token for ten letters, nine for nine."""
    word = "a" * 10
    letters = Tokenizer(models.BPE({"a": 0}, []))
    letters.add_tokens([word])
    path = tmp_path / "tokenizer.json"
    letters.save(str(path))
    text = word * 400
    spans = Cutter(text, Sizes(1000, 150), None, Window(64, str(path))).cut()
    assert spans[-1][1] == len(text)
    assert max(len(letters.encode(text[start:end]).ids) for start, end in spans) <= 64


@pytest.mark.parametrize(
    "text",
    [
        "x" * 200_000,
        "word " * 30_000,
        " " * 2_000_000 + "x",
        "| a | b |\n" * 10_000,
        "```\n" * 20_000,
        "".join(f"{'`' * (3 + n % 50)}\n" for n in range(4_000)),
        "# a\n" * 20_000,
        "a\n-\n" * 20_000,
        "漢" * 40_000,
        "> " * 50_000,
    ],
    ids=["line", "words", "blank", "table", "fences", "nested", "headings", "rules", "han", "quotes"],
)
def test_a_large_file_takes_time_by_its_length(text: str) -> None:
    """With time by the square of the length these take minutes: the suite's limit of a test notices it."""
    read = read_texts(
        text.encode(), "a.md", (1000, 200), 10**7, 10**7, 10**6, (MINILM.tokens, MINILM.tokenizer)
    )
    assert all(tokens_of(chunk) <= MINILM.tokens for chunk in read["texts"][:50])


def test_the_lead_is_the_title_and_the_headings_each_once_and_never_half_of_the_window() -> None:
    assert lead_of("Guide", ("Guide", "Install", "Linux"), None) == "Guide > Install > Linux\n\n"
    assert lead_of("", (), None) == ""
    long = tuple(f"{name * 40}" for name in "abcde")
    assert lead_of("Guide", long, Window(256)) == f"Guide > {'d' * 40} > {'e' * 40}\n\n"
    assert len(lead_of("漢" * 120, (), Window(64)).encode()) <= 34


def test_what_a_model_reads_is_known_or_set() -> None:
    def window(model: str, **named: object) -> Window:
        return window_of(KnowledgeSettings(auth_mode="dev", embeddings_model=model, **named))  # type: ignore[arg-type]

    assert window("text-embedding-3-small").tokens == 8191
    assert window("BAAI/bge-m3").tokens == 8192
    assert window("bge-small-en-v1.5").tokens == 512
    assert window("somebody/own").tokens == 512
    assert window("somebody/own", embeddings_window=2048) == Window(2048)
    tokenizer = Path(str(MINILM.tokenizer))
    assert window("own", embeddings_tokenizer=tokenizer).tokenizer == str(tokenizer)
    assert json.loads(tokenizer.read_text())["model"]["type"] == "WordPiece"

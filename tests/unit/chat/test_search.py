"""How a search query is read, and how a highlighted text is taken apart."""

from importlib import import_module

import pytest

from chat.search import rules
from chat.search.records import Part

MIGRATION = import_module("takaro_schema.versions.034_message_search")


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("spawn a zombie", "spawn a zombie"),
        ('"exact words" or other -without', '"exact words" or other -without'),
        ("天气", ' "天 气" '),
        ("-天气", ' -"天 气" '),
        ("foo-天气bar", 'foo- "天 气" bar'),
        ('"天气 ok"', '" 天  气  ok"'),
        ("กา", ' "ก า" '),
        ('one "unfinished', "one  unfinished"),
        ('"', " "),
    ],
)
def test_characters_without_spaces_are_words_of_a_phrase(typed: str, text: str) -> None:
    assert rules.query_text(typed) == text


def test_a_headline_comes_apart_into_parts() -> None:
    assert rules.fragments("say \x02天\x03\x1f\x02气\x03\x1f now\x04\x1eb>\x02x\x03</b>") == [
        [Part("say ", match=False), Part("天气", match=True), Part(" now", match=False)],
        [Part("<b>", match=False), Part("x", match=True), Part("</b>", match=False)],
    ]


def test_the_index_and_the_query_know_the_same_scripts() -> None:
    written = MIGRATION.UNSPACED.encode().decode("unicode_escape")
    assert written == f"[{rules.UNSPACED}]"


PHRASE, WORDS = "'@ 1' & 'spawn' <-> 'zombie'", "'@ 1' & 'spawn' & 'zombie'"


@pytest.mark.parametrize(
    ("owned", "found", "among"),
    [
        (PHRASE, 18, 4666),
        (PHRASE, 1, 0),  # it would take all of 84,000
        (PHRASE, 0, 0),
        (PHRASE, 21, 0),  # enough are found
        (WORDS, 18, 0),  # the index knows them
    ],
)
def test_a_phrase_that_was_found_is_looked_for_further(owned: str, found: int, among: int) -> None:
    assert rules.further(owned, found, 21, 2_000) == among

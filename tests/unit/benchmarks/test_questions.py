"""The questions of the search's quality benchmark, and the documentation that answers them."""

import html
import re
from collections.abc import Iterator

import pytest

from benchmarks.documentation import TREES, Documentation, files_of, questions_of

IN_A_ROW = 5
"""So many words of a document in a row would make a question a quotation."""

LEAST_FILES, LEAST_QUESTIONS = 40, 150


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    for start in range(len(words) - IN_A_ROW + 1):
        yield tuple(words[start : start + IN_A_ROW])


def test_there_are_enough_questions_each_asked_once_and_a_third_is_held_out() -> None:
    questions = [question for tree in TREES for question in questions_of(tree)]
    assert len(questions) >= LEAST_QUESTIONS
    assert len({question.text.casefold() for question in questions}) == len(questions)
    for tree in TREES:
        held_out = [question.held_out for question in questions_of(tree)]
        assert held_out == sorted(held_out)
        assert sum(held_out) == -(-len(held_out) // 3)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_questions_quote_no_document_and_name_files_that_the_package_ships(tree: Documentation) -> None:
    """Downloads the package that ships the documents."""
    files = files_of(tree)
    assert len(files) >= LEAST_FILES
    told = set[tuple[str, ...]]()
    for path in files.values():
        source = path.read_text()
        told.update(_runs(source))
        told.update(_runs(html.unescape(re.sub(r"<[^>]+>", " ", source))))
    for question in questions_of(tree):
        assert question.files <= files.keys(), question
        assert told.isdisjoint(_runs(question.text)), question

"""The measures of ``takaro kb eval``, against numbers that were worked out by hand."""

import math
from pathlib import Path

import pytest

from takaro_operator.errors import Refusal
from takaro_operator.kb_eval import read_questions
from takaro_operator.kb_measures import Asked, better_and_worse, measures_of, recall_of

ASKED = [Asked("one", frozenset({"a"})), Asked("two", frozenset({"a", "b"})), Asked("none", frozenset({"z"}))]
FOUND = [["a", "c"], ["c", "b", "b", "a"], ["a", "b"]]


def test_the_mean_of_each_measure_is_over_all_questions() -> None:
    measures = measures_of(FOUND, ASKED, 5)
    assert measures["hit@1"] == pytest.approx(1 / 3)
    assert measures["hit@3"] == measures["hit@5"] == pytest.approx(2 / 3)
    assert "hit@10" not in measures
    assert measures["mrr"] == pytest.approx((1 + 1 / 2) / 3)
    second = (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert measures["ndcg"] == pytest.approx((1 + second) / 3)


def test_the_best_there_can_be_is_1() -> None:
    assert set(measures_of([["a"], ["b", "a"], ["z"]], ASKED, 10).values()) == {1.0}
    only_one_fits = [Asked("one", frozenset({"a", "b"}))]
    assert measures_of([["b"]], only_one_fits, 1) == {"hit@1": 1.0, "mrr": 1.0, "ndcg": 1.0}


def test_recall_is_the_share_of_the_best_chunks_of_a_deeper_search() -> None:
    assert recall_of(["a", "b"], ["a", "b", "c", "d"]) == 1.0
    assert recall_of(["a", "d"], ["a", "b", "c", "d"]) == 0.5
    assert recall_of([], ["a"]) == 0.0
    assert recall_of([], []) == 1.0


def test_questions_that_moved_are_named() -> None:
    later = [["c", "a"], ["b"], ["a", "b"]]
    assert better_and_worse(FOUND, later, ASKED) == {"better": ["two"], "worse": ["one"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "0 questions"),
        ("\n\n", "0 questions"),
        ("nonsense", "line 1 isn't JSON"),
        ('{"question": "a", "files": ["b"]}\n[]', "line 2 must be like"),
        ('{"question": " ", "files": ["b"]}', "line 1 must be like"),
        ('{"question": "a", "files": []}', "line 1 must be like"),
        ('{"question": "a", "files": [1]}', "line 1 must be like"),
        ('{"question": "a", "files": "b"}', "line 1 must be like"),
    ],
)
def test_a_file_that_holds_no_questions_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(content)
    with pytest.raises(Refusal, match=said):
        read_questions(file)

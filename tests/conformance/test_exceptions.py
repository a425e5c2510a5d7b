"""The table of exceptions is about cases and brokers that exist, and no case escapes the brokers."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import conformance
from tests.conformance.brokers import BROKERS, EXCEPTIONS

ROOT = Path(__file__).parents[2]


def cases() -> Iterator[tuple[str, list[str]]]:
    """Every case's name and its arguments."""
    for module in pkgutil.walk_packages(conformance.__path__, f"{conformance.__name__}."):
        if (
            not module.ispkg
            and module.name.rpartition(".")[2].startswith("test_")
            and module.name != __name__
        ):
            for name, function in inspect.getmembers(importlib.import_module(module.name), callable):
                if name.startswith("test_"):
                    yield name, list(inspect.signature(function).parameters)


@pytest.mark.parametrize("case", EXCEPTIONS)
def test_an_exception_names_a_case_a_broker_and_a_reason(case: str) -> None:
    assert case in dict(cases())
    for broker, reason in EXCEPTIONS[case].items():
        assert broker in BROKERS
        assert len(reason.split()) > 3
        for path, function in re.findall(r"(tests/\S+\.py)(?:::(\w+))?", reason):
            assert f"def {function}" in (ROOT / path).read_text()


@pytest.mark.parametrize("case", EXCEPTIONS)
def test_an_excepted_case_runs_on_one_broker_at_least(case: str) -> None:
    assert set(BROKERS) - set(EXCEPTIONS[case])


def test_every_case_takes_its_broker_and_has_a_name_of_its_own() -> None:
    found = list(cases())
    assert len(found) > 30
    assert [name for name, arguments in found if not {"world", "broker", "kafka"} & set(arguments)] == []
    assert [name for name, count in Counter(name for name, _ in found).items() if count > 1] == []

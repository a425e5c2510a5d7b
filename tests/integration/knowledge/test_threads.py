"""CPU-bound work runs beside the event loop, which renews locks and leases meanwhile."""

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from knowledge.content.files import rules as file_rules
from knowledge.embeddings import hashing
from tests.integration.knowledge.conftest import Harness


async def test_naming_chunks_and_embedding_leave_the_event_loops_thread(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[int]] = defaultdict(set)

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            threads[name].add(threading.get_ident())
            return function(*args)

        return call

    monkeypatch.setattr(file_rules, "files_of", watched("name", file_rules.files_of))
    monkeypatch.setattr(hashing, "hash_texts", watched("embed", hashing.hash_texts))
    await harness.sync()
    assert set(threads) == {"name", "embed"}
    assert all(threading.get_ident() not in used for used in threads.values())

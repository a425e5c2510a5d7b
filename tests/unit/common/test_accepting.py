"""Who gets JSON, who gets server-sent events, and who leaves it to the service."""

import pytest

from servicekit.accepting import Accepted, accepted_by


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ((), None),
        (("*/*",), None),
        (("text/html, application/xhtml+xml, */*;q=0.8",), None),
        (("text/event-stream",), "events"),
        (("Text/Event-Stream; charset=utf-8",), "events"),
        (("text/*",), "events"),
        (("application/json, text/event-stream",), "events"),
        (("application/json", "text/event-stream"), "events"),
        (("application/json, text/event-stream;q=0.5",), "json"),
        (("text/event-stream;q=0, */*",), None),
        (("application/json, text/plain, */*",), "json"),
        (("application/*",), "json"),
        (("text/html",), "json"),
        (("*/*;q=0",), "json"),
        (("text/event-stream;q=x",), "json"),
        ((",;,",), None),
    ],
)
def test_what_a_caller_accepts(accept: tuple[str, ...], expected: Accepted) -> None:
    headers = [(b"accept", each.encode()) for each in accept]
    assert accepted_by({"type": "http", "headers": headers}) == expected

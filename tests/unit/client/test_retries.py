"""When the client tries again, and after how long."""

import pytest

from takaro_agent_client.errors import ClientError, ConnectionFailed, Refused, refusal
from takaro_agent_client.retries import Retrying

EARLIEST = Retrying(random=lambda: 0.0)
LATEST = Retrying(random=lambda: 1.0)


def answered(status: int, *, code: str = "", retry_after: str = "") -> Refused:
    headers = {"x-error-code": code} | ({"retry-after": retry_after} if retry_after else {})
    return refusal(status, headers, {"error": "no"})


def test_pauses_double_up_to_the_longest_and_are_random_within_half() -> None:
    failure = ConnectionFailed("no answer")
    many = Retrying(attempts=100, first_seconds=1, longest_seconds=5, random=lambda: 1.0)
    assert [many.pause(failure, attempt) for attempt in (1, 2, 3, 4, 99)] == [1, 2, 4, 5, 5]
    assert EARLIEST.pause(failure, 1) == EARLIEST.first_seconds / 2
    assert LATEST.pause(failure, 1) == LATEST.first_seconds


def test_the_last_attempt_is_the_last() -> None:
    failure = ConnectionFailed("no answer")
    assert Retrying(attempts=3).pause(failure, 2) is not None
    assert Retrying(attempts=3).pause(failure, 3) is None


def test_retry_after_is_the_least_pause_and_a_long_one_is_not_waited_for() -> None:
    assert EARLIEST.pause(answered(429, retry_after="7"), 1) == 7
    assert EARLIEST.pause(answered(503, retry_after="0"), 1) == EARLIEST.first_seconds / 2
    assert EARLIEST.pause(answered(429, retry_after="3600"), 1) is None
    assert EARLIEST.pause(answered(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), 1) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422, 501])
def test_what_would_fail_again_is_not_tried_again(status: int) -> None:
    assert LATEST.pause(answered(status), 1) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(status: int) -> None:
    assert LATEST.pause(answered(status), 1) is not None


def test_a_request_whose_first_attempt_still_runs_is_asked_for_again() -> None:
    assert LATEST.pause(answered(409, code="idempotency_key_in_use"), 1) is not None


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (ConnectionFailed("cut off"), False),
        (answered(500), False),
        (answered(503), True),
        (answered(429), True),
    ],
)
def test_what_must_not_happen_twice_is_only_sent_again_after_a_refusal(
    failure: ClientError, again: bool
) -> None:
    assert (LATEST.pause(failure, 1, repeatable=False) is not None) == again

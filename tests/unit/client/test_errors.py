"""Answers as exceptions."""

import pytest

from takaro_agent_client import errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Invalid),
        (401, errors.NotAuthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (412, errors.Conflict),
        (413, errors.TooLarge),
        (418, errors.Refused),
        (422, errors.Invalid),
        (429, errors.TooMany),
        (500, errors.Unavailable),
        (503, errors.Unavailable),
    ],
)
def test_each_status_has_its_exception(status: int, kind: type[errors.Refused]) -> None:
    assert type(errors.refusal(status, {}, {"error": "no"})) is kind


def test_it_says_everything_that_the_service_said() -> None:
    headers = {"x-error-code": "invalid", "x-trace-id": "4bf9", "retry-after": "2"}
    body = {"error": "Validation failed", "details": {"limit": ["too small", "odd"]}, "version": 7}
    error = errors.refusal(400, headers, body)
    assert (error.status, error.code, error.message) == (400, "invalid", "Validation failed")
    assert (error.trace_id, error.retry_after) == ("4bf9", 2.0)
    assert error.details == {"limit": ["too small", "odd"]}
    assert error.body["version"] == 7
    assert str(error) == "400: Validation failed (limit: too small, odd) (trace 4bf9)"


def test_an_answer_of_something_else_is_an_error_too() -> None:
    error = errors.refusal(502, {}, "<html>Bad Gateway</html>")
    assert (error.message, error.code, error.details) == ("<html>Bad Gateway</html>", None, {})

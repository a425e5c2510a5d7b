"""What the client does, step by step, without a network."""

from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent

from takaro_agent_client import ConnectionFailed, NotFound, Retrying, Settings, TooMany, Unreadable, flows
from takaro_agent_client.calls import Call, EventSource, Page
from takaro_agent_client.flows import Following, Send, Sleep
from takaro_agent_client.operations import conversations, messages, states

ID = "0190b5a0-0000-7000-8000-000000000001"
MESSAGE = {
    "id": ID,
    "conversationId": ID,
    "role": "user",
    "content": "hi",
    "tokenCount": None,
    "latencyMs": None,
    "createdAt": "2026-11-28T12:00:00.000Z",
    "sequence": 1,
    "comesLater": True,
}
SETTINGS = Settings("http://agents", user="ann", retrying=Retrying(attempts=3, random=lambda: 1.0))


def answer(status: int, body: Any, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


Outcome = httpx.Response | Exception


def run(call: Call[Any], *outcomes: Outcome, **more: Any) -> tuple[list[Send], list[float], Any]:
    """The requests that were sent, the pauses, and the result, which may be an exception."""
    flow, rest = flows.exchange(SETTINGS, call, **more), list(outcomes)
    sent, slept = [], []
    try:
        step = next(flow)
        while True:
            if isinstance(step, Sleep):
                slept.append(step.seconds)
                step = flow.send(None)
                continue
            sent.append(step)
            outcome = rest.pop(0)
            step = flow.throw(outcome) if isinstance(outcome, Exception) else flow.send(outcome)
    except StopIteration as done:
        return sent, slept, done.value
    except Exception as error:
        return sent, slept, error


def test_every_attempt_of_a_post_has_one_key_and_the_next_post_has_another() -> None:
    post = messages.post(ID, "hi")
    sent, slept, message = run(
        post, ConnectionFailed("cut off"), answer(503, {"error": "away"}), answer(200, {"data": MESSAGE})
    )
    keys = {request.headers["Idempotency-Key"] for request in sent}
    assert (len(sent), len(keys), len(slept)) == (3, 1, 2)
    assert message.content == "hi"
    assert message.model_extra == {"comesLater": True}
    [again], _, _ = run(post, answer(200, {"data": MESSAGE}))
    assert again.headers["Idempotency-Key"] not in keys


def test_a_key_may_be_given_and_a_get_has_none() -> None:
    [request], _, _ = run(messages.post(ID, "hi"), answer(200, {"data": MESSAGE}), idempotency_key="k")
    assert request.headers["Idempotency-Key"] == "k"
    [request], _, _ = run(conversations.delete(ID), answer(200, {"success": True}))
    assert "Idempotency-Key" not in request.headers


def test_the_last_failure_is_raised() -> None:
    sent, _, error = run(conversations.get(ID), *[answer(429, {"error": "slow"})] * 3)
    assert (len(sent), type(error)) == (3, TooMany)
    sent, _, error = run(conversations.get(ID), answer(404, {"error": "Conversation not found"}))
    assert (len(sent), type(error)) == (1, NotFound)


def test_a_change_that_expects_a_version_is_not_sent_twice_blindly() -> None:
    sent, _, error = run(states.patch(ID, {}, expected_version=1), ConnectionFailed("cut off"))
    assert (len(sent), type(error)) == (1, ConnectionFailed)
    sent, _, state = run(
        states.patch(ID, {}),
        ConnectionFailed("cut off"),
        answer(200, {"data": {"state": {}, "version": 2}}),
    )
    assert (len(sent), state.version) == (2, 2)


@pytest.mark.parametrize("body", [[], {"data": {}}, {"data": {"id": 1}}, "text", None])
@pytest.mark.parametrize("call", [conversations.get(ID), messages.listing(ID).page(1, None)])
def test_an_answer_that_is_none_of_ours_is_an_error_of_ours(call: Call[Any], body: Any) -> None:
    _, _, error = run(call, answer(200, body))
    assert isinstance(error, Unreadable)


def test_the_caller_is_named_and_so_is_its_trace() -> None:
    settings = Settings("http://agents/", token=lambda: "t1", trace=lambda: {"traceparent": "00-ab"})
    request = flows.request_of(settings, conversations.get("a/b"), "k")
    assert request.headers["Authorization"] == "Bearer t1"
    assert request.headers["traceparent"] == "00-ab"
    assert request.url == "http://agents/api/conversations/a%2Fb"
    assert flows.request_of(settings, conversations.get(ID), "k", "00-cd").headers["traceparent"] == "00-cd"
    with pytest.raises(ValueError, match="address of chat is missing"):
        flows.request_of(Settings(), conversations.get(ID), "k")


def test_pages_follow_the_cursor() -> None:
    calls = flows.pages(messages.listing(ID, order="desc"), 2)
    assert next(calls).query == {"order": "desc", "limit": 2}
    assert calls.send(Page([], "c1")).query == {"order": "desc", "limit": 2, "cursor": "c1"}
    with pytest.raises(StopIteration):
        calls.send(Page([], None))


def test_a_stream_goes_on_after_its_last_event() -> None:
    following = Following(SETTINGS, EventSource("cockpit", "/events"))
    assert "Last-Event-ID" not in following.request().headers
    assert following.received(ServerSentEvent("event", "{}", "7"))
    assert not following.received(ServerSentEvent("heartbeat", "{}"))
    assert following.ended(ConnectionFailed("cut off")) > 0
    assert following.request().headers["Last-Event-ID"] == "7"


def test_a_stream_is_over_when_the_service_says_so() -> None:
    following = Following(SETTINGS, EventSource("chat", "/events"))
    assert following.received(ServerSentEvent("connected", "{}", "7"))
    assert not following.over
    assert following.received(ServerSentEvent("end", '{"reason": "deleted"}'))
    assert following.over


def test_a_stream_gives_up_when_nothing_comes_and_not_before() -> None:
    following = Following(SETTINGS, EventSource("cockpit", "/events"))
    for _ in range(10):
        following.ended(ConnectionFailed("cut off"))
        following.received(ServerSentEvent("event", "{}"))
    following.ended(ConnectionFailed("cut off"))
    following.ended(None)
    with pytest.raises(ConnectionFailed, match="the event stream ended"):
        following.ended(None)


def test_an_error_event_is_the_reason_and_says_when_to_come_back() -> None:
    following = Following(SETTINGS, EventSource("cockpit", "/events"))
    error = ServerSentEvent("error", '{"error": "too many streams", "status": 429}', retry=5000)
    assert not following.received(error)
    assert following.ended(None) == 5.0
    assert not following.received(error)
    following.ended(None)
    assert not following.received(error)
    with pytest.raises(TooMany, match="too many streams"):
        following.ended(None)


def test_a_followed_answer_repeats_its_post_and_leaves_out_what_came_before() -> None:
    following = Following(SETTINGS, messages.ask(ID, "hi", on_busy="queue"))
    first = following.request()
    assert (first.method, first.body) == ("POST", {"content": "hi", "onBusy": "queue"})
    assert following.received(ServerSentEvent("text", "{}", "1"))
    assert following.received(ServerSentEvent("text", "{}", "2"))
    stops = ServerSentEvent("error", '{"type": "error", "error": "restarts", "code": "stopping"}')
    assert not following.received(stops)
    assert following.ended(None) > 0
    again = following.request()
    assert again.headers == first.headers
    assert first.headers["Idempotency-Key"]
    assert [following.received(ServerSentEvent("text", "{}", id)) for id in "12"] == [False, False]
    asks = ServerSentEvent("awaiting", "{}", "2")  # has no id of its own, so that of the last one
    assert following.received(asks)
    assert following.received(ServerSentEvent("text", "{}", "3"))
    assert following.received(ServerSentEvent("error", '{"type": "error", "code": "turn_failed"}', "3"))
    assert following.over


def test_a_followed_answer_gives_up_on_a_service_that_shows_the_same_again_and_again() -> None:
    following = Following(SETTINGS, messages.ask(ID, "hi"))
    following.request()
    assert following.received(ServerSentEvent("text", "{}", "1"))
    for _ in range(2):
        following.ended(None)
        following.request()
        assert not following.received(ServerSentEvent("text", "{}", "1"))
    with pytest.raises(ConnectionFailed):
        following.ended(None)

"""Taking turns: whatever chat answers, a runtime goes on with the next one."""

from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from contracts.chat import AnnounceAgent
from takaro_agent_client import AsyncClient
from takaro_agent_client.runtime.choosing import Waiting
from takaro_agent_client.runtime.taking import take

ID = UUID("0190b5a0-0000-7000-8000-000000000001")
ANOTHER = UUID("0190b5a0-0000-7000-8000-000000000002")
AGENTS = [AnnounceAgent(agent_id="echo", model="m", description="d", ttl_seconds=30)]
REQUESTED = Waiting(ID, ID, 1, interrupted=False)
INTERRUPTED = Waiting(ID, ID, 1, interrupted=True)
TAKEN = {
    "turnId": str(ANOTHER),
    "conversationId": str(ID),
    "number": 2,
    "token": "t",
    "expiresAt": None,
    "throughSequence": 1,
    "userId": "ann",
    "agentId": "echo",
    "agentVersion": "default",
    "history": [],
    "historyCursor": None,
    "state": {},
    "stateVersion": 0,
}


def turn(state: str, id: UUID = ID, number: int = 1) -> dict[str, object]:
    nothing = dict.fromkeys(("runtime", "startedAt", "expiresAt", "endedAt"))
    about = {"turnId": str(id), "conversationId": str(ID), "number": number, "state": state}
    return {**nothing, **about, "throughSequence": 1, "requestedAt": "2026-11-29T12:00:00Z"}


def chat(answer: Callable[[httpx.Request], httpx.Response]) -> AsyncClient:
    return AsyncClient("http://chat", http=httpx.AsyncClient(transport=httpx.MockTransport(answer)))


@pytest.mark.parametrize("waiting", [REQUESTED, INTERRUPTED])
@pytest.mark.parametrize(
    "answer",
    [httpx.Response(status, json={"error": "no"}) for status in (400, 403, 404, 409)]
    + [httpx.Response(200, json={"data": 5}), httpx.Response(200, text="<html>")],
)
async def test_what_is_refused_or_cannot_be_read_is_left_to_others(
    waiting: Waiting, answer: httpx.Response
) -> None:
    assert await take(chat(lambda _: answer), waiting, AGENTS, 30) is None


async def test_an_interrupted_turn_that_another_one_has_gone_on_with_is_left_alone() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(200, json={"data": [turn("running", ANOTHER, 2), turn("interrupted")]})

    assert await take(chat(answer), INTERRUPTED, AGENTS, 30) is None
    assert asked == ["GET"]


@pytest.mark.parametrize(("number", "goes_on"), [(2, True), (3, False)])
async def test_a_turn_that_was_answered_between_the_look_and_the_taking_is_ended(
    number: int, goes_on: bool
) -> None:
    """Else the same question would be answered twice."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path.rpartition('/')[2]}")
        if request.method == "GET":
            return httpx.Response(200, json={"data": [turn("interrupted")]})
        if request.url.path.endswith("/finish"):
            return httpx.Response(200, json={"data": turn("finished", ANOTHER, 3)})
        return httpx.Response(201, json={"data": {**TAKEN, "number": number}})

    taken = await take(chat(answer), INTERRUPTED, AGENTS, 30)
    assert (taken is not None) == goes_on
    assert asked == ["GET turns", "POST turns"] + ([] if goes_on else ["POST finish"])


async def test_a_question_that_interrupted_three_turns_in_a_row_is_given_up() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path.rpartition('/')[2]}")
        if request.method == "GET":
            older = [turn("interrupted", ANOTHER, number) for number in (2, 1)]
            return httpx.Response(200, json={"data": [turn("interrupted", number=3), *older]})
        if request.url.path.endswith("/fail"):
            return httpx.Response(200, json={"data": turn("failed", ANOTHER, 4)})
        return httpx.Response(201, json={"data": {**TAKEN, "number": 4}})

    assert await take(chat(answer), Waiting(ID, ID, 3, interrupted=True), AGENTS, 30) is None
    assert asked == ["GET turns", "POST turns", "POST fail"]

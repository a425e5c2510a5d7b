"""The runtime's side of turns in takaro-agent-client, on a running chat."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from takaro_agent_client.runtime import Turn
from tests.integration.chat.conftest import post
from tests.integration.chat.served_agents import Served, ended, turns
from tests.integration.chat.turn_calls import contents, runtime, take
from tests.support.services import Service
from tests.support.wait import eventually


@pytest.fixture
async def served(chat: Service, redis_url: str) -> AsyncIterator[Served]:
    async with Served(chat, f"{redis_url}/5") as agent:
        yield agent


async def repeat(turn: Turn) -> None:
    turn.used(inputTokens=3)
    await turn.finish([{"role": "assistant", "content": f"You said {turn.question}"}])


async def test_a_question_is_answered_once_though_two_runtimes_serve(
    served: Served, alice: httpx.AsyncClient
) -> None:
    await served.by(repeat)
    await served.by(repeat)
    conversation = await served.conversation(alice)
    for number in range(5):
        await post(alice, f"{conversation}/messages", content=f"{number}")
        found = await ended(alice, conversation, *["finished"] * (number + 1))
        assert found[-1]["usage"] == {"inputTokens": 3}
    wanted = [text for number in range(5) for text in (f"{number}", f"You said {number}")]
    assert await contents(alice, conversation) == wanted


async def test_an_error_of_the_answer_fails_the_turn(served: Served, alice: httpx.AsyncClient) -> None:
    async def breaks(turn: Turn) -> None:
        raise LookupError(f"no {turn.question}")

    await served.by(breaks)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="model")
    [turn] = await ended(alice, conversation, "failed")
    assert turn["error"] == "LookupError: no model"


async def test_what_was_shown_before_a_turn_fails_is_kept(served: Served, alice: httpx.AsyncClient) -> None:
    async def breaks(turn: Turn) -> None:
        await turn.text("as far as I know ")
        raise LookupError(f"no {turn.question}")

    await served.by(breaks)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="model")
    await ended(alice, conversation, "failed")
    assert await contents(alice, conversation) == ["model", "as far as I know "]


async def test_the_answer_is_told_when_its_turn_is_cancelled(
    served: Served, alice: httpx.AsyncClient
) -> None:
    told: list[str | None] = []

    async def waits(turn: Turn) -> None:
        if turn.taken.number == 2:
            return await repeat(turn)
        try:
            await asyncio.Event().wait()
        finally:
            told.append(turn.over)

    await served.by(waits, ttl_seconds=3, max_turns=1)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="wait")
    [turn] = await ended(alice, conversation, "running")
    await post(alice, f"{conversation}/turns/{turn['turnId']}/cancel")
    await eventually(lambda: told == ["cancelled"])
    await post(alice, f"{conversation}/messages", content="again")
    await ended(alice, conversation, "cancelled", "finished")


async def test_a_person_is_asked(served: Served, alice: httpx.AsyncClient) -> None:
    async def asks(turn: Turn) -> None:
        said = await turn.ask("ban_player", {"name": "Eve"})
        await turn.finish([{"role": "assistant", "content": f"{said}"}])

    await served.by(asks)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="ban Eve")
    [turn] = await ended(alice, conversation, "awaiting")
    assert turn["awaiting"] == {"tool": "ban_player", "input": {"name": "Eve"}}
    await post(alice, f"{conversation}/turns/{turn['turnId']}/answer", answer={"approved": True})
    await ended(alice, conversation, "finished")
    assert (await contents(alice, conversation))[-1] == "{'approved': True}"


async def test_no_more_turns_run_than_are_allowed(served: Served, alice: httpx.AsyncClient) -> None:
    running, most, go = 0, 0, asyncio.Event()

    async def counts(turn: Turn) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        await repeat(turn)
        running -= 1

    await served.by(counts, max_turns=2)
    all_of_them = [await served.conversation(alice) for _ in range(4)]
    for conversation in all_of_them:
        await post(alice, f"{conversation}/messages", content="hi")
    await eventually(lambda: running == 2)
    states = [(await turns(alice, each))[0]["state"] for each in all_of_them]
    assert sorted(states) == ["requested", "requested", "running", "running"]
    go.set()
    for conversation in all_of_them:
        await ended(alice, conversation, "finished")
    assert most == 2


async def test_an_interrupted_turn_is_gone_on_with(
    served: Served, chat: Service, alice: httpx.AsyncClient
) -> None:
    """The first runtime is one that dies with the turn that it has taken."""
    ready = asyncio.Event()

    async def answers(turn: Turn) -> None:
        await ready.wait()
        await repeat(turn)

    started = await served.by(answers)
    conversation = await served.conversation(alice)
    started.stop()
    async with runtime(chat, served.agent) as dies:
        await post(alice, f"{conversation}/messages", content="hi")
        await eventually(lambda: _takes(dies, conversation))
    ready.set()
    await served.by(answers)
    found = await eventually(lambda: _answered(alice, conversation))
    assert found[-2:] == ["interrupted", "finished"]
    assert await contents(alice, conversation) == ["hi", "You said hi"]


async def _takes(client: httpx.AsyncClient, conversation: str) -> bool:
    await take(client, conversation, ttlSeconds=1)
    return True


async def _answered(user: httpx.AsyncClient, conversation: str) -> list[str]:
    states = [turn["state"] for turn in await turns(user, conversation)]
    assert states[-1] == "finished"
    return states


@pytest.mark.large  # three turns expire, one after the other
async def test_a_question_that_kills_its_runtimes_is_given_up(
    served: Served, chat: Service, alice: httpx.AsyncClient
) -> None:
    started = await served.by(repeat)
    conversation = await served.conversation(alice)
    started.stop()
    async with runtime(chat, served.agent) as dies:
        for number in range(3):
            await eventually(lambda: _takes(dies, conversation))
            await ended(alice, conversation, *["interrupted"] * (number + 1))
    await served.by(repeat)
    found = await ended(alice, conversation, *["interrupted"] * 3, "failed")
    assert "interrupted 3 times" in found[-1]["error"]


async def test_a_stop_gives_running_turns_to_others(served: Served, alice: httpx.AsyncClient) -> None:
    begun = asyncio.Event()

    async def hangs(_: Turn) -> None:
        begun.set()
        await asyncio.Event().wait()

    stopped = await served.by(hangs, ttl_seconds=600)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="hi")
    await begun.wait()
    stopped.stop()
    await ended(alice, conversation, "interrupted")
    await served.by(repeat)
    await ended(alice, conversation, "interrupted", "finished")
    assert await contents(alice, conversation) == ["hi", "You said hi"]


async def test_an_answer_is_shown_while_it_is_made_and_stored_as_it_was_shown(
    served: Served, alice: httpx.AsyncClient
) -> None:
    shown: list[str] = []
    extra = str(uuid4())

    async def streams(turn: Turn) -> None:
        call = await turn.tool_use("search", {"q": turn.question})
        await turn.tool_result(call, "search", output=["found"], duration_ms=5)
        for word in ("I ", "found ", "it\u2028"):
            await turn.text(word)
        await turn.flush()
        shown.append((await turns(alice, turn_path(turn)))[-1]["state"])
        await turn.text("x" * 20_000, message_id=extra)
        await turn.append({"id": extra, "role": "assistant", "content": "long"})
        await turn.text("!")

    await served.by(streams)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="it")
    [turn] = await ended(alice, conversation, "finished")
    assert shown == ["running"]
    answer = await alice.get(f"{conversation}/messages")
    _, long, said = answer.json()["data"]
    assert (long["id"], long["content"]) == (extra, "long")
    assert (said["id"], said["content"]) == (turn["turnId"], "I found it\u2028!")
    [execution] = said["toolExecutions"]
    assert (execution["name"], execution["input"], execution["durationMs"]) == ("search", {"q": "it"}, 5)
    assert execution["result"] == {"success": True, "output": ["found"]}
    assert "incomplete" not in said


def turn_path(turn: Turn) -> str:
    return f"/api/conversations/{turn.taken.conversation_id}"


async def test_what_a_cancelled_answer_has_shown_is_kept(served: Served, alice: httpx.AsyncClient) -> None:
    flushed = asyncio.Event()

    async def streams(turn: Turn) -> None:
        await turn.text("as far as ")
        await turn.flush()
        flushed.set()
        await asyncio.Event().wait()

    await served.by(streams)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="go")
    [turn] = await ended(alice, conversation, "running")
    await flushed.wait()
    await post(alice, f"{conversation}/turns/{turn['turnId']}/cancel")
    answer = await alice.get(f"{conversation}/messages")
    said = answer.json()["data"][-1]
    assert (said["id"], said["content"], said["incomplete"]) == (turn["turnId"], "as far as ", "cancelled")


async def test_more_than_a_turn_may_show_fails_it_with_the_reason(
    served: Served, alice: httpx.AsyncClient
) -> None:
    async def floods(turn: Turn) -> None:
        while True:
            await turn.text("x" * 8_000)

    await served.by(floods)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="go")
    [turn] = await ended(alice, conversation, "failed")
    assert "in all" in turn["error"]

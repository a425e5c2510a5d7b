"""A conversation as a session of the OpenAI Agents SDK: its own runner, with a model that is scripted."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.items import ModelResponse
from agents.memory import Session, SessionSettings
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from takaro_agent_client import AsyncClient
from takaro_agent_client.adapters.openai_agents import TakaroSession
from takaro_agent_client.operations import conversations, messages
from tests.e2e.conftest import System
from tests.support.plain_http import NO_TLS

USER = "sdk"


class Scripted(Model):
    """Answers each request with the next of ``turns``, and keeps what it was asked."""

    def __init__(self, *turns: Any) -> None:
        self._turns = list(turns)
        self.asked: list[Any] = []

    async def get_response(self, *_: Any, **asked: Any) -> ModelResponse:
        self.asked.append(asked["input"])
        return ModelResponse(output=[self._turns.pop(0)], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("no run here streams")


def says(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(
        id="msg", content=[content], role="assistant", status="completed", type="message"
    )


def calls(name: str, arguments: str) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(call_id="call_1", name=name, arguments=arguments, type="function_call")


@function_tool
def hooks(event: str) -> str:
    """Says which hooks there are."""
    return f"one hook on {event}"


@pytest.fixture
async def client(system: System) -> AsyncIterator[AsyncClient]:
    set_tracing_disabled(True)
    async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as http:
        yield AsyncClient(chat=system["chat"].url, user=USER, http=http)


@pytest.fixture
async def session(client: AsyncClient) -> TakaroSession:
    conversation = await client.send(conversations.create("module-writer"))
    return TakaroSession(client, conversation.id)


async def test_a_run_goes_on_where_the_last_one_ended(client: AsyncClient, session: TakaroSession) -> None:
    """Its tool calls, their outputs and its answers come back exactly, and people can read them."""
    assert isinstance(session, Session)
    model = Scripted(calls("hooks", '{"event": "join"}'), says("There is one."), says("As I said."))
    agent = Agent(name="writer", model=model, tools=[hooks])
    first = await Runner.run(agent, "Which hooks are there?", session=session)
    assert first.final_output == "There is one."
    assert await session.get_items() == first.to_input_list()
    again = TakaroSession(client, session.session_id)
    await Runner.run(agent, "Again?", session=again)
    assert model.asked[-1][:-1] == first.to_input_list()
    seen = [message async for message in client.each(messages.listing(session.session_id))]
    assert [message.role for message in seen] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
    ]
    assert [message.content for message in seen][2:5] == ["one hook on join", "There is one.", "Again?"]


async def test_items_are_added_limited_popped_and_cleared(session: TakaroSession) -> None:
    items: Any = [{"role": "user", "content": f"item {number}"} for number in range(5)]
    items.append(
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "out"}]}
    )
    await session.add_items([])
    await session.add_items(items)
    assert await session.get_items() == items
    assert await session.get_items(limit=2) == items[-2:]
    assert await session.get_items(limit=0) == []
    session.session_settings = SessionSettings(limit=3)
    assert await session.get_items() == items[-3:]
    session.session_settings = None
    assert [await session.pop_item() for _ in range(2)] == [items[5], items[4]]
    assert await session.get_items() == items[:4]
    await session.clear_session()
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.add_items(items[:1])
    assert await session.get_items() == items[:1]


async def test_what_a_user_sent_over_http_is_an_item_too(client: AsyncClient, session: TakaroSession) -> None:
    await client.send(messages.post(session.session_id, "hello"))
    assert await session.get_items() == [{"role": "user", "content": "hello"}]
    assert await session.pop_item() == {"role": "user", "content": "hello"}
    assert await session.get_items() == []

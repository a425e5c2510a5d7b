"""LangChain's chat history on a conversation."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from takaro_agent_client import Client
from takaro_agent_client.adapters.langchain_history import TakaroChatMessageHistory
from takaro_agent_client.operations import conversations, messages
from tests.e2e.conftest import System
from tests.support.plain_http import NO_TLS

USER = "langchain"

pytestmark = pytest.mark.filterwarnings("ignore:.*BaseChatMessageHistory")


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with httpx.Client(trust_env=False, timeout=60, verify=NO_TLS) as http:
        yield Client(chat=system["chat"].url, user=USER, http=http)


@pytest.fixture
def history(client: Client) -> TakaroChatMessageHistory:
    conversation = client.send(conversations.create("module-writer"))
    return TakaroChatMessageHistory(client, conversation.id)


CALL = {"name": "hooks", "args": {"event": "join"}, "id": "c1", "type": "tool_call"}
USAGE = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
TALK: list[BaseMessage] = [
    SystemMessage("You write modules."),
    HumanMessage(content=[{"type": "text", "text": "Which hooks?"}, {"type": "image_url", "image_url": "x"}]),
    AIMessage(
        content="",
        tool_calls=[CALL],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    ),
    ToolMessage("one", tool_call_id="c1", artifact={"found": 1}),
    AIMessage(content="There is one.", response_metadata={"model_name": "gpt-5"}),
]


def test_messages_come_back_exactly_and_people_can_read_them(
    client: Client, history: TakaroChatMessageHistory
) -> None:
    assert history.messages == []
    history.add_messages(TALK)
    again = TakaroChatMessageHistory(client, history.session_id)
    assert again.messages == TALK
    history.add_user_message("Thank you")
    history.add_ai_message("Gladly")
    assert again.messages[len(TALK) :] == [HumanMessage("Thank you"), AIMessage("Gladly")]
    seen = list(client.each(messages.listing(history.session_id)))
    assert [each.role for each in seen] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
    ]
    assert [each.content for each in seen][1] == "Which hooks?"
    history.clear()
    assert again.messages == []


def test_what_a_user_sent_over_http_is_a_message_too(
    client: Client, history: TakaroChatMessageHistory
) -> None:
    client.send(messages.post(history.session_id, "hello"))
    assert history.messages == [HumanMessage("hello")]


async def test_it_works_under_asyncio(client: Client) -> None:
    conversation = await asyncio.to_thread(client.send, conversations.create("module-writer"))
    history = TakaroChatMessageHistory(client, conversation.id)
    await history.aadd_messages(TALK[:2])
    assert await history.aget_messages() == TALK[:2]
    await history.aclear()
    assert await history.aget_messages() == []

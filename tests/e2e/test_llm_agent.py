"""examples/llm-agent, on a local server of the OpenAI chat API that streams, errs and stalls."""

from uuid import UUID, uuid4

import pytest

from takaro_agent_client import AsyncClient
from takaro_agent_client.models import Turn
from takaro_agent_client.operations import knowledge, messages, turns
from tests.e2e.conftest import BASE, System
from tests.e2e.programs import python, running
from tests.e2e.test_echo_agent import begin
from tests.support.chat_api import BREAK, ERROR, STALL, TALK, chat_api
from tests.support.wait import eventually


@pytest.mark.large  # to import the API's library takes seconds, and a stall is waited for
async def test_it_answers_from_a_base_and_says_what_goes_wrong(system: System, ada: AsyncClient) -> None:
    """One program for all cases: it takes seconds to import what it needs."""
    agent = f"llm-{uuid4().hex[:8]}"
    await ada.send(knowledge.sync(BASE))

    async def synced() -> bool:
        return (await ada.send(knowledge.get(BASE))).document_count == 2

    await eventually(synced)
    async with chat_api() as api:
        settings = {"AGENT": agent, "OPENAI_BASE_URL": api.url, "OPENAI_API_KEY": "k", "MODEL": "m1"}
        more = {"KNOWLEDGE_BASE": BASE, "STALL_SECONDS": "2"}
        async with running(system, *python("llm-agent/llm.py"), **settings, **more):
            id = (await begin(ada, agent)).id
            answered = await ask(ada, id, "Whom may I ban?", "finished")
            assert answered.usage == {"inputTokens": 7, "outputTokens": 3}
            last = await newest(ada, id)
            assert last == ("Look in moderation/bans.md welcome.md", None)
            [search] = [each async for each in ada.each(messages.listing(id))][-1].tool_executions
            assert (search["name"], search["input"]) == ("search_docs", {"query": "Whom may I ban?"})
            assert len(search["result"]["output"]) == 2

            failed = await ask(ada, id, ERROR, "failed")
            assert failed.error is not None
            assert failed.error.startswith("The model's API answered 404: ")
            assert "The model m1 does not exist" in failed.error
            broken = await ask(ada, id, BREAK, "failed")
            assert broken.error == "The model's API failed: overloaded"
            assert await newest(ada, id) == ("Let", "failed")
            stalled = await ask(ada, id, STALL, "failed")
            assert stalled.error == "The model said nothing for 2 seconds"
            assert await newest(ada, id) == ("Let me", "failed")
            await eventually(lambda: api.gone == 1)

            await ask(ada, id, TALK, "running")
            await ada.send(turns.cancel(id, (await latest(ada, id)).turn_id))
            await eventually(lambda: api.gone == 2)
    kinds = [each["role"] for each in api.asked[-1]["messages"]]
    assert kinds[:3] == ["system", "user", "assistant"]


async def ask(client: AsyncClient, id: UUID, question: str, state: str) -> Turn:
    """The turn of this question, once it is in this state."""
    known = [each.turn_id async for each in client.each(turns.listing(id))]
    await client.send(messages.post(id, question))

    async def look() -> Turn:
        turn = await latest(client, id)
        assert turn.turn_id not in known
        assert turn.state == state, (turn.state, turn.error)
        return turn

    return await eventually(look)


async def latest(client: AsyncClient, id: UUID) -> Turn:
    return (await client.send(turns.listing(id).page(1, None))).items[0]


async def newest(client: AsyncClient, id: UUID) -> tuple[str, str | None]:
    """What the newest message says, and how far."""
    page = await client.send(messages.listing(id, order="desc").page(1, None))
    return page.items[0].content, page.items[0].incomplete

"""examples/echo-agent: its runtimes answer, and outlive a kill -9 in the middle of an answer."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from takaro_agent_client import AsyncClient, Invalid
from takaro_agent_client.models import Conversation
from takaro_agent_client.operations import conversations, messages, turns
from tests.e2e.conftest import System
from tests.e2e.programs import EXAMPLES, node, python, running
from tests.support.wait import eventually

LINES = 99
QUESTION = " ".join(f"w{number}" for number in range(300))
ANSWER = f"You said 300 words: {QUESTION} "
"""Word by word it takes the slow instance half a minute."""
Start = Callable[[Path], list[str]]


def test_they_are_short() -> None:
    for name in ("echo.py", "echo.mjs"):
        lines = (EXAMPLES / "echo-agent" / name).read_text().splitlines()
        assert len(lines) <= LINES
        assert max(map(len, lines)) <= 120


async def begin(client: AsyncClient, agent: str) -> Conversation:
    """A conversation with the agent, once chat knows that it is served."""

    async def look() -> Conversation:
        try:
            return await client.send(conversations.create(agent))
        except Invalid as error:
            raise AssertionError from error

    return await eventually(look)


async def pieces_of(database: str, turn_id: UUID) -> int:
    connection: Any = await asyncpg.connect(database)
    try:
        last = await connection.fetchval("SELECT max(last) FROM chat_turn_pieces WHERE turn_id = $1", turn_id)
    finally:
        await connection.close()
    return last or 0


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(lambda _: python("echo-agent/echo.py"), id="python"),
        pytest.param(lambda folder: node("echo-agent/echo.mjs", folder), id="node", marks=pytest.mark.large),
    ],
)
async def test_a_second_instance_answers_when_the_first_is_killed_in_the_middle(
    start: Start, system: System, ada: AsyncClient, tmp_path: Path
) -> None:
    agent, command = f"echo-{uuid4().hex[:8]}", start(tmp_path)
    settings = {"AGENT": agent, "TTL_SECONDS": "3"}
    async with running(system, *command, NAME="first", PACE_SECONDS="0.1", **settings) as first:
        conversation = (await begin(ada, agent)).id
        await ada.send(messages.post(conversation, QUESTION))
        await first.says("begins to answer")
        [turn] = [each async for each in ada.each(turns.listing(conversation))]

        async def shows() -> bool:
            return await pieces_of(system.database, turn.turn_id) > 5

        await eventually(shows)
        assert await first.end(signal.SIGKILL) == -signal.SIGKILL
    async with running(system, *command, NAME="second", PACE_SECONDS="0", **settings) as second:
        await second.says("answered")
        stored = [each async for each in ada.each(messages.listing(conversation))]
        states = [each.state async for each in ada.each(turns.listing(conversation, order="asc"))]
        await second.end(signal.SIGTERM)
    assert (states[0], states[-1], {*states[:-1]}) == ("interrupted", "finished", {"interrupted"})
    question, *cut_off, answer = stored
    assert question.content == QUESTION
    assert (answer.content, answer.incomplete) == (ANSWER, None)
    [tool] = answer.tool_executions
    assert (tool["name"], tool["result"]) == ("count_words", {"success": True, "output": 300})
    assert {each.incomplete for each in cut_off} == {"interrupted"}
    assert ANSWER.startswith(cut_off[0].content)
    assert 0 < len(cut_off[0].content) < len(ANSWER)

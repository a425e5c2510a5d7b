"""An agent of the OpenAI Agents SDK whose session is a conversation: it remembers, in any process.

    python examples/agents_session.py "My name is Ada"
    python examples/agents_session.py "What is my name?" <conversation id>

A scripted model stands in for yours, so that this runs without a key: it says what it was told before.
"""

import asyncio
import sys
from typing import Any

from agents import Agent, Runner, set_tracing_disabled
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from connection import settings
from takaro_agent_client import AsyncClient
from takaro_agent_client.adapters.openai_agents import TakaroSession
from takaro_agent_client.operations import conversations


class Remembers(Model):
    """In place of ``model="gpt-5"``."""

    async def get_response(self, *_: Any, **asked: Any) -> ModelResponse:
        told = [item["content"] for item in asked["input"] if item.get("role") == "user"]
        text = ResponseOutputText(text=f"You told me: {told}", type="output_text", annotations=[])
        said = ResponseOutputMessage(
            id="msg", content=[text], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("this example doesn't stream")


async def main(text: str, conversation_id: str | None) -> None:
    set_tracing_disabled(True)
    async with AsyncClient(**settings()) as client:
        if conversation_id is None:
            conversation_id = str((await client.send(conversations.create("module-writer"))).id)
        agent = Agent(name="writer", instructions="You write modules.", model=Remembers())
        done = await Runner.run(agent, text, session=TakaroSession(client, conversation_id))
        print(done.final_output)
        print(f"conversation {conversation_id}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))

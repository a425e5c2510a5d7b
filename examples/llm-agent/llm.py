"""A runtime on any OpenAI-compatible chat API: it streams the model's answer, and lets the model search a
knowledge base.

    OPENAI_API_KEY=… MODEL=gpt-5 python examples/llm-agent/llm.py           # beside `make run`
    OPENAI_BASE_URL=http://127.0.0.1:11434/v1 MODEL=qwen3 python examples/llm-agent/llm.py

Elsewhere: TAKARO_URL (or CHAT_URL, KNOWLEDGE_URL), EVENT_BUS_URL, and TAKARO_TOKEN, a token of the scope
`agent`.
"""

import asyncio
import json
import os
import signal
from time import monotonic
from typing import Any

from openai import APIStatusError, AsyncOpenAI, OpenAIError

from contracts.chat import AnnounceAgent, AnnounceTool
from takaro_agent_client import AsyncClient, ClientError
from takaro_agent_client.operations import knowledge
from takaro_agent_client.runtime import Runtime, Turn, connect

ENV = os.environ
AGENT, NAME = ENV.get("AGENT", "llm"), ENV.get("NAME", "first")
MODEL = ENV.get("MODEL", "gpt-5")
BASE = ENV.get("KNOWLEDGE_BASE", "project-docs")
STALL_SECONDS = float(ENV.get("STALL_SECONDS", "60"))
"""A model that says nothing for so long has stalled."""
MAX_ROUNDS = 5
PROMPT = "You answer questions. Search the docs before you answer, and say where you found it."
SEARCH = AnnounceTool(
    name="search_docs",
    description="Searches the docs",
    parameters={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    ttl_seconds=30,
)
TOOLS: Any = [
    {"type": "function", "function": SEARCH.model_dump(include={"name", "description", "parameters"})}
]
model = AsyncOpenAI()  # reads OPENAI_API_KEY and OPENAI_BASE_URL


async def answer(turn: Turn) -> None:
    """Let the model answer, and carry out the searches that it asks for. Cancelled when the turn is."""
    print(f"{NAME}: conversation {turn.taken.conversation_id}: begins to answer", flush=True)
    told: list[Any] = [{"role": "system", "content": PROMPT}]
    told += [
        {"role": each.role, "content": each.content}
        for each in turn.history
        if each.role in ("user", "assistant") and each.content and not each.incomplete
    ]
    for _ in range(MAX_ROUNDS):
        try:
            said = await stream(turn, told)
        except TimeoutError:
            return await failed(turn, f"The model said nothing for {STALL_SECONDS:g} seconds")
        except APIStatusError as error:
            return await failed(turn, f"The model's API answered {error.status_code}: {error.message}")
        except OpenAIError as error:
            return await failed(turn, f"The model's API failed: {error}")
        told.append(said)
        if not said.get("tool_calls"):
            return print(f"{NAME}: conversation {turn.taken.conversation_id}: answered", flush=True)
        for call in said["tool_calls"]:
            found = await search(turn, call["id"], call["function"])
            told.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(found)})
    return await failed(turn, f"The model wanted to search {MAX_ROUNDS} times in a row")


async def failed(turn: Turn, why: str) -> None:
    print(f"{NAME}: conversation {turn.taken.conversation_id}: {why}", flush=True)
    await turn.fail(why)


async def stream(turn: Turn, told: list[Any]) -> dict[str, Any]:
    """One answer of the model, shown as it comes. Returns it as the API takes it back."""
    text, calls = "", dict[int, dict[str, Any]]()
    async with asyncio.timeout(STALL_SECONDS) as patience:
        options: Any = {"stream_options": {"include_usage": True}}
        chunks = await model.chat.completions.create(
            model=MODEL, messages=told, tools=TOOLS, stream=True, **options
        )
        async with chunks:
            async for chunk in chunks:
                patience.reschedule(asyncio.get_running_loop().time() + STALL_SECONDS)
                if chunk.usage:
                    turn.used(
                        inputTokens=chunk.usage.prompt_tokens, outputTokens=chunk.usage.completion_tokens
                    )
                for choice in chunk.choices:
                    if choice.delta.content:
                        text += choice.delta.content
                        await turn.text(choice.delta.content)
                    for part in choice.delta.tool_calls or ():  # a call comes in parts, too
                        call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                        call["id"] += part.id or ""
                        if part.function:
                            call["name"] += part.function.name or ""
                            call["arguments"] += part.function.arguments or ""
    functions = [(call.pop("id"), call) for call in calls.values()]
    asked = [{"id": id, "type": "function", "function": call} for id, call in functions]
    return {"role": "assistant", "content": text or None} | ({"tool_calls": asked} if asked else {})


async def search(turn: Turn, id: str, function: dict[str, Any]) -> Any:
    """Carry out a call of the tool, and show it. A failure is told to the model."""
    began = monotonic()
    try:
        given = json.loads(function["arguments"] or "{}")
        await turn.tool_use(function["name"], given, id=id)
        hits = await turn.client.send(knowledge.search(BASE, str(given["query"]), limit=3))
        output = [{"content": hit.content, "source": hit.metadata.get("sourceFile")} for hit in hits]
    except (ValueError, LookupError, TypeError, AttributeError, ClientError) as error:
        await turn.tool_result(id, function["name"], error=f"{type(error).__name__}: {error}")
        return {"error": str(error)}
    took = int((monotonic() - began) * 1000)
    await turn.tool_result(id, function["name"], output=output, duration_ms=took)
    return output


async def main() -> None:
    token = ENV.get("TAKARO_TOKEN")
    client = AsyncClient(
        ENV.get("TAKARO_URL", "http://127.0.0.1:3100"),
        chat=ENV.get("CHAT_URL"),
        knowledge=ENV.get("KNOWLEDGE_URL"),
        token=token,
        user=None if token else "llm-agent",
        agents=None if token else [AGENT],
    )
    serves = AnnounceAgent(agent_id=AGENT, model=MODEL, description="Answers from the docs", ttl_seconds=30)
    bus_url = ENV.get("EVENT_BUS_URL", "redis://127.0.0.1:6379")
    async with client, connect(bus_url, group=f"runtime-{AGENT}", name=NAME) as bus:
        print(f"{NAME}: serves the agent {AGENT} with {MODEL} (Ctrl-C to stop)", flush=True)
        runtime = Runtime(client, bus, [serves], answer, tools=[SEARCH], name=NAME)
        await runtime.run(signals=(signal.SIGINT, signal.SIGTERM))


if __name__ == "__main__":
    asyncio.run(main())

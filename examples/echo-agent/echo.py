"""A runtime in Python: it counts your words with a tool, and says them back one by one.

    python examples/echo-agent/echo.py               # beside `make run`; `make echo-agent` does it too
    NAME=second python examples/echo-agent/echo.py   # another one, which goes on when the first is killed

Elsewhere: TAKARO_URL (or CHAT_URL), EVENT_BUS_URL, and TAKARO_TOKEN, a token of the scope `agent`.
"""

import asyncio
import os
import signal
import time

from contracts.chat import AnnounceAgent, AnnounceTool
from takaro_agent_client import AsyncClient
from takaro_agent_client.runtime import Runtime, Turn, connect

ENV = os.environ
AGENT = ENV.get("AGENT", "echo")
NAME = ENV.get("NAME", "first")
TTL_SECONDS = int(ENV.get("TTL_SECONDS", "6"))
"""So long after this process died, another one goes on with its turn."""
PACE_SECONDS = float(ENV.get("PACE_SECONDS", "0.2"))


def count_words(text: str) -> int:
    """The tool."""
    return len(text.split())


async def answer(turn: Turn) -> None:
    """Called with each turn, and cancelled when its turn is. What it shows is the message in the end."""
    said(turn, f"begins to answer {turn.question!r}")
    try:
        began = time.monotonic()
        call = await turn.tool_use("count_words", {"text": turn.question})
        words = count_words(turn.question)
        took = int((time.monotonic() - began) * 1000)
        await turn.tool_result(call, "count_words", output=words, duration_ms=took)
        for word in f"You said {words} words: {turn.question}".split():
            await turn.text(f"{word} ")
            await asyncio.sleep(PACE_SECONDS)
        turn.used(inputTokens=words, outputTokens=words + 4)
        await turn.finish()
        said(turn, "answered")
    except asyncio.CancelledError:
        said(turn, f"stopped: the turn is {turn.over or 'given back'}")
        raise


def said(turn: Turn, what: str) -> None:
    print(f"{NAME}: conversation {turn.taken.conversation_id}, turn {turn.taken.number}: {what}", flush=True)


async def main() -> None:
    token = ENV.get("TAKARO_TOKEN")
    client = AsyncClient(
        ENV.get("TAKARO_URL", "http://127.0.0.1:3100"),
        chat=ENV.get("CHAT_URL"),
        token=token,
        user=None if token else "echo-agent",
        agents=None if token else [AGENT],
    )
    serves = AnnounceAgent(agent_id=AGENT, model="echo", description="Says what you said", ttl_seconds=15)
    has = AnnounceTool(name="count_words", description="Counts the words of a text", ttl_seconds=15)
    bus_url = ENV.get("EVENT_BUS_URL", "redis://127.0.0.1:6379")
    async with client, connect(bus_url, group=f"runtime-{AGENT}", name=NAME) as bus:
        runtime = Runtime(client, bus, [serves], answer, tools=[has], name=NAME, ttl_seconds=TTL_SECONDS)
        print(f"{NAME}: serves the agent {AGENT} (Ctrl-C to stop)", flush=True)
        await runtime.run(signals=(signal.SIGINT, signal.SIGTERM))


if __name__ == "__main__":
    asyncio.run(main())

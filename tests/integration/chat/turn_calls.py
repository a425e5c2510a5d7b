"""What runtimes and users call in tests of turns."""

from typing import Any
from uuid import uuid4

import httpx

from tests.integration.chat.conftest import post
from tests.support.services import Service

TOKEN = "X-Turn-Token"
AGENT = "module-writer"


def runtime(chat: Service, *agents: str, name: str | None = None) -> httpx.AsyncClient:
    """A client of a runtime that works for these agents; for the tests' agent, if none is named."""
    client = chat.client(name or f"runtime-{uuid4()}")
    client.headers.update({"X-Scope": "agent", "X-Agents": ",".join(agents or (AGENT,))})
    return client


async def start_conversation(user: httpx.AsyncClient, agent: str = AGENT) -> str:
    """A new conversation's path."""
    return f"/api/conversations/{(await post(user, '/api/conversations', agentId=agent))['id']}"


async def take(client: httpx.AsyncClient, conversation: str, **body: Any) -> dict[str, Any]:
    """Take a turn, which must succeed."""
    answer = await client.post(f"{conversation}/turns", json=body)
    assert answer.status_code == 201, answer.text
    taken: dict[str, Any] = answer.json()["data"]
    return taken


def with_token(taken: dict[str, Any]) -> dict[str, str]:
    """The header that proves whose turn it is."""
    return {TOKEN: taken["token"]}


async def say(
    client: httpx.AsyncClient, conversation: str, content: str, token: dict[str, str] | None = None
) -> httpx.Response:
    """Append an assistant's message, in a turn or not."""
    messages = [{"role": "assistant", "content": content}]
    return await client.post(f"{conversation}/messages/bulk", json={"messages": messages}, headers=token)


async def contents(user: httpx.AsyncClient, conversation: str) -> list[str]:
    """What a conversation's messages say, oldest first."""
    answer = await user.get(f"{conversation}/messages")
    return [message["content"] for message in answer.raise_for_status().json()["data"]]

"""A local server of the OpenAI chat API that streams, calls a tool, answers with errors, stalls, and sees
when its caller has gone. What a user's last message says decides what it does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

STALL, ERROR, BREAK, TALK = "stall", "error", "break", "talk"
ENDLESS_PAUSE_SECONDS = 0.05


@dataclass
class ChatAPI:
    """``asked`` has the bodies that came; ``gone`` counts callers that left in the middle of an answer."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    gone: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            self.asked.append(body)
            [*_, wish] = [each["content"] for each in body["messages"] if each["role"] == "user"]
            if wish == ERROR:
                said = json.dumps(
                    {"error": {"message": f"The model {body['model']} does not exist"}}
                ).encode()
                writer.write(b"HTTP/1.1 404 X\r\nContent-Type: application/json\r\nConnection: close\r\n")
                writer.write(f"Content-Length: {len(said)}\r\n\r\n".encode() + said)
                return
            writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            leaves = asyncio.create_task(reader.read(1))
            for pieces in _streams(wish, body):
                async for piece in pieces:
                    if leaves.done():
                        self.gone += 1
                        return
                    writer.write(f"data: {piece}\n\n".encode())
                    await writer.drain()
            if wish == STALL:
                await leaves
                self.gone += 1
            leaves.cancel()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone += 1
        finally:
            writer.close()


def _streams(wish: str, body: dict[str, Any]) -> "list[AsyncIterator[str]]":
    found = [each["content"] for each in body["messages"] if each["role"] == "tool"]
    if wish == TALK:
        return [_endless()]
    if wish == STALL:
        return [_words(["Let", " me"])]
    if wish == BREAK:
        return [_words(["Let"]), _lines(json.dumps({"error": {"message": "overloaded"}}))]
    if not found:
        return [_call(body["tools"][0]["function"]["name"], {"query": wish}), _lines("[DONE]")]
    sources = sorted({each["source"] for each in json.loads(found[-1])})
    return [_words(["Look", " in", *(f" {source}" for source in sources)]), _usage(), _lines("[DONE]")]


def _chunk(delta: dict[str, Any] | None, **more: Any) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": choices, **more})


async def _words(words: list[str]) -> AsyncIterator[str]:
    for word in words:
        yield _chunk({"content": word})


async def _endless() -> AsyncIterator[str]:
    while True:
        yield _chunk({"content": "bla "})
        await asyncio.sleep(ENDLESS_PAUSE_SECONDS)


async def _call(name: str, given: dict[str, Any]) -> AsyncIterator[str]:
    """A call of a tool, its arguments in two parts, as models stream them."""
    arguments = json.dumps(given)
    first = {"index": 0, "id": "call-1", "type": "function", "function": {"name": name, "arguments": ""}}
    yield _chunk({"tool_calls": [first]})
    for part in (arguments[:5], arguments[5:]):
        yield _chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})


async def _usage() -> AsyncIterator[str]:
    yield _chunk(None, usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})


async def _lines(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


@asynccontextmanager
async def chat_api() -> AsyncIterator[ChatAPI]:
    """The server, on a free port."""
    api = ChatAPI()
    server = await asyncio.start_server(api.answer, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield api
    finally:
        server.close()

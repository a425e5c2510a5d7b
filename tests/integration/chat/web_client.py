"""The existing web client, as far as it reads answers to messages."""

from collections.abc import Mapping
from typing import Any

import httpx

from common import codec
from tests.support.services import Service


class WebClient:
    """Reads an answer line by line, as the existing web client does: only ``data: `` lines count."""

    def __init__(self) -> None:
        self.text = ""
        self.tools: list[dict[str, Any]] = []
        self.usage: dict[str, int] | None = None
        self.error: str | None = None
        self.unknown: list[str] = []

    async def send(self, chat: Service, conversation: str, content: str, headers: Mapping[str, str]) -> None:
        client = httpx.AsyncClient(base_url=chat.url, timeout=120, trust_env=False)
        path = f"{conversation}/messages"
        async with client, client.stream("POST", path, json={"content": content}, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    self._read(codec.loads(line.removeprefix("data: ")))

    def _read(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "text":
                self.text += said["content"]
            case "tool_use":
                self.tools.append({name: said[name] for name in ("id", "name", "input")})
            case "tool_result":
                [tool] = [tool for tool in self.tools if tool["id"] == said["id"]]
                tool |= {"result": said["result"], "durationMs": said["durationMs"]}
            case "done":
                self.usage = said["tokenUsage"]
            case "error":
                self.error = said["error"]
            case other:
                self.unknown.append(other)

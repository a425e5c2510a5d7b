"""Whole conversations over the HTTP API of chat, for ``takaro export`` and ``takaro import``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from takaro_operator.chat_http import ChatAddress
from takaro_operator.errors import Failure
from takaro_operator.service_http import ServiceClient

PAGE = 100
ATTEMPTS = 6
LONGEST_SECONDS = 30.0


class ConversationsClient(ServiceClient):
    """Calls chat as the user whose conversations they are."""

    def __init__(self, user: str | None) -> None:
        address = ChatAddress()
        super().__init__("chat", address.url, "/api", user=user, token=address.token, setting="CHAT_URL")

    async def count(self, filters: dict[str, str]) -> int | None:
        """How many conversations there are; ``None`` if they are too many to be counted."""
        body = await self.body("GET", "conversations", query={**filters, "limit": 1, "total": "true"})
        meta = body["meta"]
        return None if meta.get("totalIsMinimum") else int(meta["total"])

    async def each(self, filters: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """The conversations, oldest first, without their messages."""
        asked: dict[str, Any] = {**filters, "limit": PAGE, "order": "asc"}
        while True:
            body = await self.body("GET", "conversations", query=asked)
            for conversation in body["data"]:
                yield conversation
            if body["meta"]["nextCursor"] is None:
                return
            asked["cursor"] = body["meta"]["nextCursor"]

    @asynccontextmanager
    async def export(self, conversation_id: str, *, history: bool) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an export, as they come."""
        asked = {} if history else {"stateHistory": "false"}
        async with self.streamed("conversations", conversation_id, "export", query=asked) as pieces:
            yield pieces

    async def import_conversation(
        self, content: Callable[[], AsyncIterator[bytes]], *, copy: bool
    ) -> dict[str, Any]:
        """Import one conversation, whose lines ``content`` gives anew for each attempt.

        Chat imports only a few at a time, and then says when to come back.
        """
        headers = {"Content-Type": "application/x-ndjson"}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                asked = {"copy": "true"} if copy else {}
                body = await self.body("POST", "imports", content=content(), headers=headers, query=asked)
            except Failure as failure:
                if failure.http_status != httpx.codes.SERVICE_UNAVAILABLE or attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(min(failure.retry_after or 1.0, LONGEST_SECONDS))
            else:
                data: dict[str, Any] = body["data"]
                return data
        raise AssertionError("the last attempt returns or raises")

"""The sync and the async client of takaro-agent-client behind one face, so that both do the same in tests."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Any, Protocol

from takaro_agent_client import AsyncClient, Client
from takaro_agent_client.calls import Call, EventSource, Lines, Listing


class Asks(Protocol):
    """One of the two clients."""

    async def send(self, call: Call[Any], **more: Any) -> Any: ...
    async def each(self, listing: Listing[Any], **more: Any) -> list[Any]: ...
    async def lines(self, source: Lines) -> list[bytes]: ...
    async def follow(self, source: EventSource, until: Callable[[Any], bool], **more: Any) -> list[Any]:
        """Events up to the one that is looked for."""


class Waiting:
    """The sync client, in a thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, call: Call[Any], **more: Any) -> Any:
        return await asyncio.to_thread(lambda: self._client.send(call, **more))

    async def each(self, listing: Listing[Any], **more: Any) -> list[Any]:
        return await asyncio.to_thread(lambda: list(self._client.each(listing, **more)))

    async def lines(self, source: Lines) -> list[bytes]:
        return await asyncio.to_thread(lambda: list(self._client.lines(source)))

    async def follow(self, source: EventSource, until: Callable[[Any], bool], **more: Any) -> list[Any]:
        def read() -> list[Any]:
            seen = []
            with closing(self._client.follow(source, **more)) as events:
                for event in events:
                    seen.append(event)
                    if until(event):
                        break
            return seen

        return await asyncio.to_thread(read)


class Concurrent:
    """The async client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def send(self, call: Call[Any], **more: Any) -> Any:
        return await self._client.send(call, **more)

    async def each(self, listing: Listing[Any], **more: Any) -> list[Any]:
        return [item async for item in self._client.each(listing, **more)]

    async def lines(self, source: Lines) -> list[bytes]:
        return [line async for line in self._client.lines(source)]

    async def follow(self, source: EventSource, until: Callable[[Any], bool], **more: Any) -> list[Any]:
        seen = []
        async with aclosing(self._client.follow(source, **more)) as events:
            async for event in events:
                seen.append(event)
                if until(event):
                    break
        return seen


Make = Callable[[str], Asks]

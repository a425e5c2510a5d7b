"""The client for asyncio: it runs the flows on httpx's own client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias, TypeVar, Unpack

import httpx
from httpx_sse import EventSource as Connection
from httpx_sse import ServerSentEvent

from takaro_agent_client import flows
from takaro_agent_client.calls import Call, EventSource, Lines, Listing
from takaro_agent_client.errors import ClientError, ConnectionFailed
from takaro_agent_client.line_reading import LineReading
from takaro_agent_client.settings import Options, Settings

T = TypeVar("T")
Events: TypeAlias = AsyncGenerator[ServerSentEvent, None]


class AsyncClient:
    """Sends operations (:mod:`takaro_agent_client.operations`) as :class:`Client` does, without blocking.

    Close it, or use it in an ``async with`` statement.
    """

    def __init__(
        self,
        origin: str | None = None,
        *,
        http: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **settings: Unpack[Options],
    ) -> None:
        """``settings`` are the fields of :class:`Settings`; ``http`` is yours, and you close it."""
        self.settings = Settings(origin, **settings)
        self._own = http is None
        self._http = http or httpx.AsyncClient(timeout=self.settings.timeout_seconds)
        self._sleep = sleep

    async def send(
        self, call: Call[T], *, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> T:
        """The answer. A passing failure is tried again; a POST has one ``Idempotency-Key`` for all attempts.

        Give ``idempotency_key`` to repeat what another process may have sent. Raises :class:`ClientError`.
        """
        flow = flows.exchange(self.settings, call, idempotency_key=idempotency_key, traceparent=traceparent)
        return await self._run(flow)

    async def each(self, listing: Listing[T], *, page_size: int | None = 100) -> AsyncIterator[T]:
        """The items of a list. Pages of ``page_size`` are asked for as they are needed; ``None`` asks for all
        at once."""
        calls = flows.pages(listing, page_size)
        page = await self.send(next(calls))
        while True:
            for item in page.items:
                yield item
            try:
                page = await self.send(calls.send(page))
            except StopIteration:
                return

    async def lines(self, source: Lines) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as they come, without their ends. Raises :class:`ClientError`; a connection
        that breaks after the first line isn't opened again."""
        response = await self._run(flows.opening(self.settings, source))
        reading = LineReading(source)
        try:
            async for piece in response.aiter_bytes():
                for line in reading.take(piece):
                    yield line
        except httpx.TransportError as error:
            raise ConnectionFailed(str(error) or repr(error)) from error
        finally:
            await response.aclose()
        reading.end()

    async def follow(self, source: EventSource, *, last_event_id: str | None = None) -> Events:
        """Events as they come, without heartbeats, for as long as the caller asks for more.

        A connection that breaks is opened again after the last event. Raises :class:`ClientError` when that
        keeps failing, or was refused for good.
        """
        following = flows.Following(self.settings, source, last_event_id)
        while True:
            failure: ClientError | None = None
            try:
                response = await self._do(following.request())
                assert response is not None
                flows.raise_for(response)
                try:
                    async for event in Connection(response).aiter_sse():
                        if following.received(event):
                            yield event
                        if following.over:
                            return
                finally:
                    await response.aclose()
            except ClientError as error:
                failure = error
            except httpx.TransportError as error:
                failure = ConnectionFailed(str(error) or repr(error))
            await self._sleep(following.ended(failure))

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, flow: flows.Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = await self._do(step)
                except ConnectionFailed as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as done:
            answer: T = done.value
            return answer

    async def _do(self, step: flows.Send | flows.Sleep) -> httpx.Response | None:
        if isinstance(step, flows.Sleep):
            await self._sleep(step.seconds)
            return None
        try:
            response = await self._http.send(step.build(self._http), stream=step.streamed)
            if step.streamed and not response.is_success:
                try:
                    await response.aread()
                finally:
                    await response.aclose()
        except httpx.TransportError as error:
            raise ConnectionFailed(str(error) or repr(error)) from error
        return response

"""The client for programs that wait: it runs the flows on httpx's own client."""

import time
from collections.abc import Callable, Generator, Iterator
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
Events: TypeAlias = Generator[ServerSentEvent, None, None]


class Client:
    """Sends operations (:mod:`takaro_agent_client.operations`) and waits for their answers.

    Close it, or use it in a ``with`` statement. Threads may share it.
    """

    def __init__(
        self,
        origin: str | None = None,
        *,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **settings: Unpack[Options],
    ) -> None:
        """``settings`` are the fields of :class:`Settings`; ``http`` is yours, and you close it."""
        self.settings = Settings(origin, **settings)
        self._own = http is None
        self._http = http or httpx.Client(timeout=self.settings.timeout_seconds)
        self._sleep = sleep

    def send(self, call: Call[T], *, idempotency_key: str | None = None, traceparent: str | None = None) -> T:
        """The answer. A passing failure is tried again; a POST has one ``Idempotency-Key`` for all attempts.

        Give ``idempotency_key`` to repeat what another process may have sent. Raises :class:`ClientError`.
        """
        flow = flows.exchange(self.settings, call, idempotency_key=idempotency_key, traceparent=traceparent)
        return self._run(flow)

    def each(self, listing: Listing[T], *, page_size: int | None = 100) -> Iterator[T]:
        """The items of a list. Pages of ``page_size`` are asked for as they are needed; ``None`` asks for all
        at once."""
        calls = flows.pages(listing, page_size)
        page = self.send(next(calls))
        while True:
            yield from page.items
            try:
                page = self.send(calls.send(page))
            except StopIteration:
                return

    def lines(self, source: Lines) -> Generator[bytes, None, None]:
        """The lines of an answer as they come, without their ends. Raises :class:`ClientError`; a connection
        that breaks after the first line isn't opened again."""
        response = self._run(flows.opening(self.settings, source))
        reading = LineReading(source)
        try:
            for piece in response.iter_bytes():
                yield from reading.take(piece)
        except httpx.TransportError as error:
            raise ConnectionFailed(str(error) or repr(error)) from error
        finally:
            response.close()
        reading.end()

    def follow(self, source: EventSource, *, last_event_id: str | None = None) -> Events:
        """Events as they come, without heartbeats, for as long as the caller asks for more.

        A connection that breaks is opened again after the last event. Raises :class:`ClientError` when that
        keeps failing, or was refused for good.
        """
        following = flows.Following(self.settings, source, last_event_id)
        while True:
            failure: ClientError | None = None
            try:
                response = self._do(following.request())
                assert response is not None
                flows.raise_for(response)
                try:
                    for event in Connection(response).iter_sse():
                        if following.received(event):
                            yield event
                        if following.over:
                            return
                finally:
                    response.close()
            except ClientError as error:
                failure = error
            except httpx.TransportError as error:
                failure = ConnectionFailed(str(error) or repr(error))
            self._sleep(following.ended(failure))

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, flow: flows.Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = self._do(step)
                except ConnectionFailed as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as done:
            answer: T = done.value
            return answer

    def _do(self, step: flows.Send | flows.Sleep) -> httpx.Response | None:
        if isinstance(step, flows.Sleep):
            self._sleep(step.seconds)
            return None
        try:
            response = self._http.send(step.build(self._http), stream=step.streamed)
            if step.streamed and not response.is_success:
                try:
                    response.read()
                finally:
                    response.close()
        except httpx.TransportError as error:
            raise ConnectionFailed(str(error) or repr(error)) from error
        return response

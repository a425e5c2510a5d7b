"""What a client does, without doing it: generators that yield each step and get its outcome.

A transport runs them (:mod:`takaro_agent_client.sync_client`, :mod:`takaro_agent_client.async_client`): it
sends a :class:`Send` and returns the response, or throws :class:`ConnectionFailed` in; it sleeps for a
:class:`Sleep`.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import httpx
from httpx_sse import ServerSentEvent
from pydantic import ValidationError

from takaro_agent_client.calls import JSON_LINES, Call, EventSource, Lines, Listing, Page
from takaro_agent_client.errors import ClientError, ConnectionFailed, Refused, refusal
from takaro_agent_client.settings import Settings
from takaro_agent_client.uploads import Body

T = TypeVar("T")

SILENCE_SECONDS = 90.0
"""An event stream that says nothing for so long is dead: the services send a heartbeat every 30 s."""


class Unreadable(ClientError):
    """The answer isn't what this version of the client expects; the request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request, and return its response with its whole body. Of a success of a ``streamed`` one the
    body is still to be read."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, Any] | None = None
    body: Any = None
    silence_seconds: float | None = None
    upload: Body | None = None
    streamed: bool = False

    def build(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request, with what ``http`` adds to all of its own."""
        more: dict[str, Any] = {} if self.body is None else {"json": self.body}
        if self.upload is not None:
            concurrent = isinstance(http, httpx.AsyncClient)
            more["content"] = self.upload.chunks_async() if concurrent else self.upload.chunks()
        if self.silence_seconds is not None:
            more["timeout"] = httpx.Timeout(http.timeout.connect, read=self.silence_seconds)
        return http.build_request(
            self.method, self.url, headers=dict(self.headers), params=self.query, **more
        )


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


Flow: TypeAlias = Generator[Send | Sleep, httpx.Response | None, T]


def exchange(
    settings: Settings, call: Call[T], *, idempotency_key: str | None = None, traceparent: str | None = None
) -> Flow[T]:
    """Send a call until it is answered for good. Raises what :mod:`takaro_agent_client.errors` has."""
    key = idempotency_key or str(uuid4())
    make = partial(request_of, settings, call, key, traceparent)
    response = yield from _answered(settings, make, repeatable=call.repeatable)
    return _parsed(call, response)


def opening(settings: Settings, lines: Lines) -> Flow[httpx.Response]:
    """Ask for lines until they come. Returns the response, whose body is still to be read."""

    def make() -> Send:
        headers = {**settings.headers(), "Accept": JSON_LINES}
        url = settings.address(lines.service) + lines.path
        return Send("GET", url, headers, lines.query or None, streamed=True)

    return (yield from _answered(settings, make))


def _answered(
    settings: Settings, make: Callable[[], Send], *, repeatable: bool = True
) -> Flow[httpx.Response]:
    attempt = 0
    while True:
        attempt += 1
        try:
            response = yield make()
            assert response is not None
            raise_for(response)
            return response
        except (ConnectionFailed, Refused) as error:
            pause = settings.retrying.pause(error, attempt, repeatable=repeatable)
            if pause is None:
                raise
        yield Sleep(pause)


def pages(listing: Listing[T], page_size: int | None) -> Generator[Call[Page[T]], Page[T], None]:
    """The calls for the pages of a list, one after the other; each gets its page."""
    cursor: str | None = None
    while True:
        page = yield listing.page(page_size, cursor)
        cursor = page.next_cursor
        if cursor is None:
            return


def request_of(settings: Settings, call: Call[Any], key: str, traceparent: str | None = None) -> Send:
    """The request of one attempt. Every attempt of a POST has the same ``Idempotency-Key``."""
    headers = {**settings.headers(), "Accept": "application/json", **call.headers}
    if traceparent is not None:
        headers["traceparent"] = traceparent
    if call.method == "POST" and call.keyed:
        headers["Idempotency-Key"] = key
    if call.body is not None or call.upload is not None:
        headers["Content-Type"] = call.media_type
    url = settings.address(call.service) + call.path
    return Send(call.method, url, headers, call.query or None, call.body, upload=call.upload)


def _parsed(call: Call[T], response: httpx.Response) -> T:
    try:
        unchanged = response.status_code == httpx.codes.NOT_MODIFIED
        return call.parse({"data": None} if unchanged else response.json())
    except (ValidationError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unreadable(f"{call.method} {call.path} answered what can't be read: {error}") from error


def raise_for(response: httpx.Response) -> None:
    """Raise :class:`Refused` for anything but a 2xx or 304; the body must have been read."""
    if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
        return
    try:
        body: Any = response.json()
    except ValueError:
        body = response.text
    raise refusal(response.status_code, response.headers, body)


@dataclass(slots=True)
class Following:
    """Follows one stream of server-sent events over any number of connections.

    A transport asks for the ``request``, tells each event that it reads to ``received``, and tells ``ended``
    what ended the connection.
    """

    settings: Settings
    source: EventSource
    last_event_id: str | None = None
    failures: int = 0
    over: bool = False
    """The service said that nothing will come any more."""
    _retry_seconds: float | None = None
    _refused: Refused | None = None
    _id_here: str = ""
    """Of the last event on this connection."""
    _known: int = 0
    """Events of an answer up to this number came on earlier connections."""

    def request(self) -> Send:
        """The request of the next connection: for what came after the last event, or the same POST."""
        source = self.source
        self._id_here, self._known = "", int(self.last_event_id or 0) if source.key is not None else 0
        headers = {**self.settings.headers(), "Accept": "text/event-stream", "Cache-Control": "no-store"}
        if source.key is not None:
            headers["Idempotency-Key"] = source.key
        elif self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        url, query = self.settings.address(source.service) + source.path, source.query or None
        return Send(
            source.method,
            url,
            headers,
            query,
            source.body,
            silence_seconds=SILENCE_SECONDS,
            streamed=True,
        )

    def received(self, event: ServerSentEvent) -> bool:
        """Whether the event is the caller's to see: heartbeats and the service's own errors aren't."""
        if event.retry is not None:
            self._retry_seconds = event.retry / 1000
        if event.id:
            if self._came_before(event.id):
                return False
            self.last_event_id = event.id
        if event.event == "error" and not self._is_end(event):  # the stream can't go on now
            self._refused = refusal(*_said(event.data))
            return False
        self.failures = 0
        self.over = self._is_end(event)
        return event.event != "heartbeat"

    def _came_before(self, id: str) -> bool:
        """Whether it came on an earlier connection. An event without an id of its own has the one before."""
        own, self._id_here = id != self._id_here, id
        return own and self._known > 0 and int(id) <= self._known

    def _is_end(self, event: ServerSentEvent) -> bool:
        """An ``error`` with a ``status`` is the service's own, and passes."""
        if event.event not in self.source.ends:
            return False
        return event.event != "error" or not self._passes(event.data)

    def _passes(self, data: str) -> bool:
        try:
            body: Any = json.loads(data)
            return "status" in body or body.get("code") in self.source.passes
        except (ValueError, TypeError, AttributeError):
            return True

    def ended(self, error: ClientError | None) -> float:
        """Seconds until the next connection. Raises ``error`` if no other one would help."""
        error = error or self._refused or ConnectionFailed("the event stream ended")
        self._refused = None
        self.failures += 1
        pause = self.settings.retrying.pause(error, self.failures)
        if pause is None:
            raise error
        return max(pause, self._retry_seconds or 0.0)


def _said(data: str) -> tuple[int, Mapping[str, str], Any]:
    try:
        body: Any = httpx.Response(200, text=data).json()
        return int(body["status"]), {}, body
    except (ValueError, LookupError, TypeError):
        return 503, {}, {"error": data}

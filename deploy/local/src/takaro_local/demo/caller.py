"""A caller of the three services over HTTP and streams, like any other program that installs the client."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Self, TypeVar

import httpx
from redis import Redis
from redis.exceptions import RedisError

from contracts import Contract
from takaro_agent_client import Client, ClientError
from takaro_agent_client.calls import Call, EventSource, Listing
from takaro_agent_client.events import Fact, outgoing, redis
from takaro_agent_client.events.reading import PositionReader

T = TypeVar("T")
_POLL_SECONDS = 0.05


class StepFailedError(Exception):
    """A check failed. The message says what was expected, and what came instead."""


def check(holds: bool, what: str) -> None:
    """Raise StepFailedError unless the condition holds. ``what`` says what was expected and found."""
    if not holds:
        raise StepFailedError(what)


def eventually(get: Callable[[], T], wanted: Callable[[T], bool], what: str, *, seconds: float = 20) -> T:
    """Poll until the result is the wanted one, and return it. Raises StepFailedError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not wanted(last := get()):
        check(
            time.monotonic() < deadline,
            f"{what}: not within {seconds:g} s; last result: {last!r}"[:1000],
        )
        time.sleep(_POLL_SECONDS)
    return last


class Caller:
    """One user of the services, at ``urls`` by service."""

    def __init__(self, user: str, urls: Mapping[str, str], redis_url: str) -> None:
        self.user = user
        self._http = httpx.Client(timeout=30, trust_env=False)
        self._client = Client(
            chat=urls["chat"],
            knowledge=urls["knowledge"],
            cockpit=urls["cockpit"],
            user=user,
            http=self._http,
        )
        self._redis: Redis = Redis.from_url(redis_url, socket_connect_timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._redis.close()

    def send(self, call: Call[T], *, trace: str | None = None) -> T:
        """The answer of a call that must succeed. ``trace`` is the traceparent that it carries."""
        try:
            return self._client.send(call, traceparent=trace)
        except ClientError as error:
            raise StepFailedError(f"{call.method} {call.path} should succeed: {error}") from error

    def all(self, listing: Listing[T]) -> list[T]:
        """The whole list."""
        return list(self._client.each(listing))

    @contextmanager
    def follow(self, source: EventSource) -> Iterator[Iterator[tuple[str, Any]]]:
        """The events of an event stream, as (name, data)."""
        with closing(self._client.follow(source)) as events:
            yield ((event.event, event.json()) for event in events)

    def command(self, command: Contract) -> None:
        """Publish a command."""
        redis.publish(self._redis, [outgoing(command, source="demo")])

    def newest(self, stream: str) -> str:
        """The id of a stream's newest entry."""
        entries: Any = self._redis.xrevrange(stream, count=1)
        return entries[0][0].decode() if entries else "0-0"

    def facts(self, stream: str, after: str, *, quiet_seconds: float = 20) -> Iterator[Fact]:
        """Facts as they arrive. Raises StepFailedError if none arrives for ``quiet_seconds``."""
        heard = time.monotonic()
        for fact in redis.follow(self._redis, PositionReader(stream, after, block_milliseconds=200)):
            if fact is not None:
                heard = time.monotonic()
                yield fact
            waited = time.monotonic() - heard
            check(waited < quiet_seconds, f"{stream} had no new fact in {waited:.0f} s")

    def fact(self, stream: str, after: str, wanted: Callable[[Fact], bool], what: str) -> Fact:
        """The first wanted fact after an entry. ``what`` describes it in the error message."""
        try:
            return next(fact for fact in self.facts(stream, after) if wanted(fact))
        except StepFailedError as error:
            raise StepFailedError(f"{stream} should say that {what}: {error}") from None


def trace_of(fact: Fact) -> str:
    """The id of the trace of the change that the fact reports."""
    return (fact.traceparent or "--").split("-")[1]


#: The errors that a step may end with.
FAILURES = (StepFailedError, ClientError, httpx.HTTPError, RedisError)

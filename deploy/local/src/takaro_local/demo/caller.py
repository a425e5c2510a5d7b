"""A caller of the three services over HTTP and streams, like any other program."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx
from redis import Redis
from redis.exceptions import RedisError

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


@dataclass(slots=True, frozen=True)
class Fact:
    """An entry of a stream of facts: CloudEvents attributes and the parsed data."""

    entry_id: str
    attributes: Mapping[str, str]
    data: Mapping[str, Any]

    @property
    def type(self) -> str:
        """``chat.message.appended.v1`` and the like."""
        return self.attributes["type"]

    @property
    def trace_id(self) -> str:
        """The trace of the change that the fact reports."""
        return self.attributes.get("traceparent", "--").split("-")[1]


class Caller:
    """One user of the services. ``trace`` is the traceparent that a single call may carry."""

    def __init__(self, user: str, redis_url: str) -> None:
        self.user = user
        self._http = httpx.Client(headers={"X-User-Id": user}, timeout=30, trust_env=False)
        self._redis: Redis = Redis.from_url(redis_url, decode_responses=True, socket_connect_timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._redis.close()

    def get(self, url: str, **query: str | int) -> Any:
        """The ``data`` of a GET."""
        return self._call("GET", url, params=query)["data"]

    def post(self, url: str, body: Mapping[str, Any] | None = None, *, trace: str | None = None) -> Any:
        """The ``data`` of a POST."""
        return self._call("POST", url, json=body or {}, headers=_headers(trace))["data"]

    def patch(self, url: str, body: Mapping[str, Any]) -> Any:
        """The ``data`` of a PATCH."""
        return self._call("PATCH", url, json=body)["data"]

    def delete(self, url: str, *, trace: str | None = None) -> None:
        """A DELETE that must succeed."""
        answer = self._call("DELETE", url, headers=_headers(trace))
        check(answer == {"success": True}, f"DELETE {url} should answer success, not {answer}")

    @contextmanager
    def follow(self, url: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """The events of an open event stream, as (name, data), without heartbeats."""
        with self._http.stream("GET", url, timeout=httpx.Timeout(20)) as answer:
            check(
                answer.status_code == 200,
                f"GET {url} should open an event stream, not answer {answer.status_code}",
            )
            yield _server_events(answer.iter_lines())

    def send(self, stream: str, type: str, data: Mapping[str, Any]) -> str:
        """XADD a command with only the required fields; return its entry's id."""
        return str(self._redis.xadd(stream, {"type": type, "data": json.dumps(data)}))

    def newest(self, stream: str) -> str:
        """The id of a stream's newest entry."""
        entries: Any = self._redis.xrevrange(stream, count=1)
        return str(entries[0][0]) if entries else "0-0"

    def facts(self, stream: str, after: str, *, quiet_seconds: float = 20) -> Iterator[Fact]:
        """Facts as they arrive. Raises StepFailedError if none arrives for ``quiet_seconds``."""
        heard = time.monotonic()
        while True:
            found: Any = self._redis.xread({stream: after}, count=100, block=200)
            for entry_id, fields in found[0][1] if found else ():
                after, heard = entry_id, time.monotonic()
                yield Fact(entry_id, fields, json.loads(fields["data"]))
            waited = time.monotonic() - heard
            check(waited < quiet_seconds, f"{stream} had no new fact in {waited:.0f} s")

    def fact(self, stream: str, after: str, wanted: Callable[[Fact], bool], what: str) -> Fact:
        """The first wanted fact after an entry. ``what`` describes it in the error message."""
        try:
            return next(fact for fact in self.facts(stream, after) if wanted(fact))
        except StepFailedError as error:
            raise StepFailedError(f"{stream} should say that {what}: {error}") from None

    def _call(self, method: str, url: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, url, **arguments)
        except httpx.TimeoutException as error:
            raise StepFailedError(f"{method} {url} timed out") from error
        except httpx.TransportError as error:
            raise StepFailedError(f"{method} {url} could not connect: {error}") from error
        check(answer.is_success, f"{method} {url} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()


#: The errors that a step may end with.
FAILURES = (StepFailedError, httpx.HTTPError, RedisError)


def _headers(trace: str | None) -> dict[str, str]:
    return {"traceparent": trace} if trace else {}


def _server_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: ") and name != "heartbeat":
            yield name, json.loads(line[6:])

"""A caller of the three services over HTTP and streams, as any program may be."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar

import httpx
from opentelemetry.propagate import inject
from redis import Redis

T = TypeVar("T")
_POLL_SECONDS = 0.05


class StepFailedError(Exception):
    """Something did not do what it promises."""


def check(holds: bool, what: str) -> None:
    """Raise StepFailedError unless it holds; ``what`` says what should."""
    if not holds:
        raise StepFailedError(what)


def eventually(get: Callable[[], T], wanted: Callable[[T], bool], what: str, *, seconds: float = 20) -> T:
    """The first result that is wanted; raises StepFailedError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not wanted(last := get()):
        check(time.monotonic() < deadline, f"{what} within {seconds:g} s; last: {last!r}"[:1000])
        time.sleep(_POLL_SECONDS)
    return last


class Caller:
    """One user. What it sends carries the current span as its traceparent."""

    def __init__(self, user: str, redis_url: str) -> None:
        self.user = user
        self._http = httpx.Client(headers={"X-User-Id": user}, timeout=30, trust_env=False)
        self._redis: Redis = Redis.from_url(redis_url, decode_responses=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._redis.close()

    def get(self, url: str, **query: str | int) -> Any:
        """The ``data`` of a GET."""
        return self._call("GET", url, params=query)["data"]

    def post(self, url: str, body: Mapping[str, Any]) -> Any:
        """The ``data`` of a POST."""
        return self._call("POST", url, json=body)["data"]

    def patch(self, url: str, body: Mapping[str, Any]) -> Any:
        """The ``data`` of a PATCH."""
        return self._call("PATCH", url, json=body)["data"]

    def delete(self, url: str) -> None:
        """A DELETE that must succeed."""
        check(self._call("DELETE", url) == {"success": True}, f"DELETE {url} succeeds")

    def follow(self, url: str) -> AbstractContextManager[httpx.Response]:
        """An open event stream."""
        return self._http.stream("GET", url, headers=_trace_headers())

    def send(self, stream: str, type: str, data: Mapping[str, Any]) -> str:
        """XADD a command; gives its entry's id."""
        fields: dict[Any, Any] = {"type": type, "data": json.dumps(data), **_trace_headers()}
        return str(self._redis.xadd(stream, fields))

    def newest(self, stream: str) -> str:
        """The id of a stream's newest entry."""
        entries: Any = self._redis.xrevrange(stream, count=1)
        return str(entries[0][0]) if entries else "0-0"

    def fact(
        self,
        stream: str,
        after: str,
        types: tuple[str, ...],
        wanted: Callable[[Mapping[str, Any]], bool],
        *,
        seconds: float = 20,
    ) -> Mapping[str, Any]:
        """The data of the first fact of one of ``types`` that is wanted, after an entry of the stream."""

        def read() -> list[Mapping[str, Any]]:
            entries: Any = self._redis.xrange(stream, min=f"({after}")
            facts = (json.loads(fields["data"]) for _, fields in entries if fields["type"] in types)
            return [fact for fact in facts if wanted(fact)]

        return eventually(read, bool, f"{stream} tells of {' or '.join(types)}", seconds=seconds)[0]

    def _call(self, method: str, url: str, **arguments: Any) -> Any:
        answer = self._http.request(method, url, headers=_trace_headers(), **arguments)
        check(answer.is_success, f"{method} {url} answers {answer.status_code} {answer.text[:500]}")
        return answer.json()


def _trace_headers() -> dict[str, str]:
    headers: dict[str, str] = {}
    inject(headers)
    return headers

"""Operations as values: what to send, and how to read the answer. Both clients send the same ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic.alias_generators import to_camel

from takaro_agent_client.models import Model
from takaro_agent_client.models.model import Count
from takaro_agent_client.uploads import Body

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Service = Literal["chat", "knowledge", "cockpit"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Order: TypeAlias = Literal["asc", "desc"]
MERGE_PATCH = "application/merge-patch+json"
JSON_LINES = "application/x-ndjson"


def path(*parts: object) -> str:
    """``/api/…`` of these parts, each percent-encoded: an id may hold a slash."""
    return "/api/" + "/".join(quote(str(part), safe="") for part in parts)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. ``parse`` takes the whole JSON of its answer.

    ``repeatable``: whether it may be sent again when nobody knows if the first was carried out. A POST may,
    because its ``Idempotency-Key`` is the same; one that isn't ``keyed`` has none.
    """

    service: Service
    method: Method
    path: str
    parse: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    keyed: bool = True
    upload: Body | None = None
    """Sent instead of ``body``, piece by piece."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list, in pages of up to ``most``: ``item`` reads one of its items."""

    service: Service
    path: str
    item: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    most: int = 1_000

    def page(self, limit: int | None, cursor: str | None) -> "Call[Page[T]]":
        """The call for one page; without ``limit`` the whole list is one, if the service has it so."""
        asked = {**self.query, "limit": limit and min(limit, self.most), "cursor": cursor}
        return Call(self.service, "GET", self.path, self._page, query=in_query(asked))

    def count(self) -> Call[Count]:
        """The call that counts the items, of a list that can be counted."""
        asked = {**self.query, "limit": 1, "total": True}
        return Call(
            self.service,
            "GET",
            self.path,
            lambda body: Count.model_validate(body["meta"]),
            query=in_query(asked),
        )

    def _page(self, body: Any) -> "Page[T]":
        items, cursor = body["data"], (body.get("meta") or {}).get("nextCursor")
        if not isinstance(items, list):
            raise TypeError("a list was expected")
        return Page([self.item(each) for each in items], cursor)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, and the cursor of what follows; ``None`` at the end."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class EventSource:
    """A stream of server-sent events. After an event with a name of ``ends``, nothing comes, but for
    ``error`` with a code that ``passes``.

    With a ``body`` it answers a POST, which a broken connection repeats with the same ``key``: the stream
    then begins anew, and is followed from where it was.
    """

    service: Service
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    ends: frozenset[str] = frozenset({"end"})
    passes: frozenset[str] = frozenset()
    body: Any = None
    key: str | None = None

    @property
    def method(self) -> Method:
        """How it is asked for."""
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True, slots=True)
class Lines:
    """An answer of JSON Lines, which is read as it comes. ``last``: how its last line begins; an answer
    without it was cut off."""

    service: Service
    path: str
    last: bytes
    query: Mapping[str, Any] = field(default_factory=dict)


def reads(form: Callable[[Any], T]) -> Callable[[Any], T]:
    """How to read ``{"data": …}``."""
    return lambda body: form(body["data"])


def each(form: type[M]) -> Callable[[Any], list[M]]:
    """How to read a list."""
    return lambda items: [form.model_validate(item) for item in items]


def nothing(_: Any) -> None:
    """Reads ``{"success": true}``."""


def call(
    service: Service,
    method: Method,
    where: str,
    form: Callable[[Any], T],
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
) -> Call[T]:
    """A call whose answer is ``{"data": …}`` of ``form``. The query leaves ``None`` out."""
    return Call(service, method, where, reads(form), query=in_query(query or {}), body=body)


def conditional(change: Call[T], *, if_match: str | None = None, if_none_match: str | None = None) -> Call[T]:
    """The call under a condition. A 304 is read as ``{"data": null}``; a change isn't sent again when nobody
    knows whether it was carried out."""
    asked = {"If-Match": if_match, "If-None-Match": if_none_match}
    headers = {name: value for name, value in asked.items() if value is not None}
    changes_once = bool(headers) and change.method != "GET"
    return replace(change, headers=headers, repeatable=change.repeatable and not changes_once)


def in_turn(change: Call[T], turn_token: str | None) -> Call[T]:
    """The call by the runtime whose turn it is, which has this token; by anybody else without one."""
    if turn_token is None:
        return change
    return replace(change, headers={**change.headers, "X-Turn-Token": turn_token})


def in_query(values: Mapping[str, Any]) -> dict[str, Any]:
    """A query: ``None`` is left out, times and days are written as ISO 8601 has them."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values.items()
        if value is not None
    }


def in_camel_case(values: Mapping[str, Any]) -> dict[str, Any]:
    """A body, or a query: snake_case here, camelCase on the wire."""
    return {to_camel(name): value for name, value in values.items()}

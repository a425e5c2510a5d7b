"""Operations as values: what to send, and how to read the answer. Both clients send the same ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from takaro_agent_client.models import Model

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Service = Literal["chat", "knowledge", "cockpit"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
MERGE_PATCH = "application/merge-patch+json"


def path(*parts: object) -> str:
    """``/api/…`` of these parts, each percent-encoded: an id may hold a slash."""
    return "/api/" + "/".join(quote(str(part), safe="") for part in parts)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. ``parse`` takes the whole JSON of its answer.

    ``repeatable``: whether it may be sent again when nobody knows if the first was carried out. A POST may,
    because its ``Idempotency-Key`` is the same.
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


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list, in pages: ``item`` reads one of its items."""

    service: Service
    path: str
    item: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)

    def page(self, limit: int | None, cursor: str | None) -> "Call[Page[T]]":
        """The call for one page; without ``limit`` the whole list is one."""
        asked = {**self.query, "limit": limit, "cursor": cursor}
        return Call(self.service, "GET", self.path, self._page, query=_set(asked))

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
    """A stream of server-sent events."""

    service: Service
    path: str


def reads(form: Callable[[Any], T]) -> Callable[[Any], T]:
    """How to read ``{"data": …}``."""
    return lambda body: form(body["data"])


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
    return Call(service, method, where, reads(form), query=_set(query or {}), body=body)


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}

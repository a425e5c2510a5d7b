"""The parameters of lists, the same in every service, and the bound of what is counted."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from servicekit.keysets import MAX_CURSOR, Keyset, Order, Page

MAX_LIMIT = 1_000
COUNTED = 10_000
"""Counting ends here: nobody pages through more, and a count costs as much as it counts."""

_DIGITS = re.compile(r"-?[0-9]+", re.ASCII)


def _in_digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("must be a whole number in digits")
    return value


Digits = BeforeValidator(_in_digits)
"""For a number in an address: Pydantic takes ``1_0``, ``1.0``, ``+1`` and spaces too."""

LimitParam = Annotated[
    int | None,
    Digits,
    Query(alias="limit", ge=1, le=MAX_LIMIT, description="The items of a page. Without it, all are sent."),
]
CursorParam = Annotated[
    str | None,
    Query(
        alias="cursor",
        max_length=MAX_CURSOR,
        description="`meta.nextCursor` of the page before, asked for with the same `order` and filters.",
    ),
]
OrderParam = Annotated[Order | None, Query(alias="order", description="The order of the list.")]
TotalParam = Annotated[
    bool,
    Query(
        alias="total",
        description=f"Count, as `meta.total`, what the list has on all pages: up to {COUNTED:,}.",
    ),
]


K = TypeVar("K", bound=tuple[Any, ...])


@dataclass(slots=True, frozen=True)
class Wanted:
    """What a request wants of a list."""

    limit: int | None
    cursor: str | None
    order: Order | None
    total: bool

    def page(self, keyset: Keyset[K], *asked: object) -> Page[K]:
        """The page of the list that is ``keyset``'s. As :meth:`servicekit.keysets.Keyset.page`."""
        return keyset.page(self.limit, self.cursor, self.order, *asked)

    async def counts(self, count: Callable[[int], Awaitable[int]]) -> dict[str, Any] | None:
        """A count as ``meta`` shows it; None if it isn't wanted. ``count`` may end at the given number."""
        if not self.total:
            return None
        found = await count(COUNTED + 1)
        return {"total": COUNTED, "totalIsMinimum": True} if found > COUNTED else {"total": found}


async def _wanted(
    limit: LimitParam = None,
    cursor: CursorParam = None,
    order: OrderParam = None,
    total: TotalParam = False,
) -> Wanted:
    return Wanted(limit, cursor, order, total)


WantedParam = Annotated[Wanted, Depends(_wanted)]
"""The parameters ``limit``, ``cursor``, ``order`` and ``total`` of a list."""


def _has_a_date(value: Any) -> Any:
    if isinstance(value, str) and "-" not in value:
        raise ValueError("must be a time like 2026-11-28T12:00:00Z, or a date")  # Pydantic takes numbers too
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is no time in UTC") from error


TimeParam = Annotated[
    datetime,
    BeforeValidator(_has_a_date),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time by RFC 3339, or a date. Without a zone it is in UTC."""

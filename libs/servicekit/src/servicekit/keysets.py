"""Pages of lists by keyset: a page begins after the last row of the page before, not at a number of rows.

So a page costs the same wherever it is, and rows that come or go meanwhile neither hide nor repeat others.
A list's order is total: its key ends with an id. A cursor is opaque to clients: base64url of a checksum and
the key of a row. The checksum covers what was asked for too, so a cursor that is damaged, or that belongs to
another list, order or filter, is refused and not misread.
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BeforeValidator, Field, TypeAdapter

from common import codec
from common.errors import Invalid
from contracts.storable import Text

K = TypeVar("K", bound=tuple[Any, ...])

MAX_CURSOR = 2_000
"""Characters. The longest key is a knowledge base's id: 255 characters, of four bytes at most."""

_CHECKSUM_BYTES = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Order: TypeAlias = Literal["asc", "desc"]


def _moment(value: Any) -> datetime:
    if not isinstance(value, int):
        raise ValueError("must be microseconds")
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError as error:
        raise ValueError("is no time") from error


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A part of a key: a time, to the microsecond."""
Place = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1)]
"""A part of a key: a ``bigint``."""
Name = Text
"""A part of a key: a text that Postgres can store."""


@dataclass(slots=True, frozen=True)
class Page(Generic[K]):
    """What is wanted of a list: ``limit`` items (None: all) after the row with the key ``after`` (None: from
    the beginning), in ``order``."""

    limit: int | None
    order: Order
    after: K | None
    _asked: bytes = b""

    @property
    def descending(self) -> bool:
        return self.order == "desc"

    @property
    def rows(self) -> int | None:
        """The rows to read: one more than the page has, which shows that another page follows."""
        return None if self.limit is None else self.limit + 1

    def sizes(self, most: int) -> Iterator[int]:
        """The rows to read in each statement, ``most`` at once; without end if all are wanted."""
        left = self.rows
        while left is None or left > 0:
            size = most if left is None else min(left, most)
            yield size
            left = None if left is None else left - size

    def cursor(self, key: K) -> str:
        """The cursor of the page after the row with this key."""
        return _encode(self._asked, codec.dumps([_plain(part) for part in key]))


class Keyset(Generic[K]):
    """A list with a total order. ``parts`` is the type of its key: a tuple of :data:`Moment`, :data:`Place`,
    :data:`Name` and ``UUID``, of which any may be optional."""

    def __init__(self, name: str, parts: type[K], *, order: Order) -> None:
        self._name, self._order = name, order
        self._key: TypeAdapter[K] = TypeAdapter(parts)

    def page(self, limit: int | None, cursor: str | None, order: Order | None, *asked: object) -> Page[K]:
        """The page that a request wants. ``asked`` is everything else that decides which rows the list has:
        its owner and its filters, as JSON can hold them.

        Raises :class:`Invalid` for a cursor that isn't of this list with this order.
        """
        order = order or self._order
        seal = codec.dumps([self._name, order, *asked])
        return Page(limit, order, None if cursor is None else self._decode(cursor, seal), seal)

    def _decode(self, cursor: str, seal: bytes) -> K:
        try:
            raw = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            encoded = raw[_CHECKSUM_BYTES:]
            if _encode(seal, encoded) != cursor:
                raise _unknown_cursor()
            return self._key.validate_python(codec.loads(encoded))
        except ValueError as error:
            raise _unknown_cursor() from error


def _encode(seal: bytes, key: bytes) -> str:
    checksum = blake2b(seal + b"\n" + key, digest_size=_CHECKSUM_BYTES).digest()
    return urlsafe_b64encode(checksum + key).rstrip(b"=").decode()


def _plain(part: object) -> object:
    if isinstance(part, datetime):
        return (part - _EPOCH) // timedelta(microseconds=1)
    return str(part) if isinstance(part, UUID) else part


def _unknown_cursor() -> Invalid:
    return Invalid(
        "Validation failed",
        code="cursor_unknown",
        details={
            "cursor": ["must be meta.nextCursor of this list, asked for with the same order and filters"]
        },
    )

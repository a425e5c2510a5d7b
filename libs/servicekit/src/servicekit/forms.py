"""Forms of JSON that answers have in common. Each service's own stand in its ``wire.py``."""

from typing import Annotated, Any, Generic, Literal, NotRequired, TypeAlias, TypeVar

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

T = TypeVar("T")

Uuid: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Time: TypeAlias = Annotated[
    str, WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-28T12:00:00.000Z"]})
]
"""RFC 3339 in UTC, with milliseconds."""
JsonObjectOrNull: TypeAlias = Annotated[Any, WithJsonSchema({"type": ["object", "null"]})]
AnyJson: TypeAlias = Annotated[Any, WithJsonSchema({})]


class Data(TypedDict, Generic[T]):
    """What every answer is wrapped in."""

    data: T


class MetaJson(TypedDict):
    """What is known of a list beside its items. ``nextCursor`` leads to the next page, and is ``null`` on the
    last one. Counting ends at 10,000: then ``totalIsMinimum`` is true."""

    nextCursor: NotRequired[str | None]
    total: NotRequired[int]
    totalIsMinimum: NotRequired[Literal[True]]


class Listed(TypedDict, Generic[T]):
    """A list, or a page of it. ``meta`` is there when a ``limit`` or a ``total`` was asked for."""

    data: list[T]
    meta: NotRequired[MetaJson]


QUOTA_EXAMPLE: dict[str, str | int] = {
    "measure": "messages",
    "period": "day",
    "limit": 100,
    "used": 100,
    "resetsAt": "2026-11-29T00:00:00.000Z",
}


class FailureJson(TypedDict):
    """What went wrong, for people."""

    error: Annotated[str, Field(examples=["Conversation not found"])]
    details: NotRequired[
        Annotated[dict[str, list[str]], Field(description="What is wrong with which field, with a 400.")]
    ]
    quota: NotRequired[
        Annotated[
            dict[str, str | int],
            Field(
                description="Which quota is used up, and until when, with a 429 for that reason.",
                examples=[QUOTA_EXAMPLE],
            ),
        ]
    ]


class SuccessJson(TypedDict):
    """A deletion was carried out."""

    success: Literal[True]

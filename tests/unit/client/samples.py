"""Arguments for any function of the client's operations, by their annotations."""

import io
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from inspect import Parameter, signature
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

ID = UUID("0190b5a0-0000-7000-8000-000000000001")
PLAIN: dict[Any, Any] = {
    str: "x",
    int: 1,
    float: 0.5,
    bool: True,
    UUID: ID,
    date: date(2026, 11, 28),
    datetime: datetime.fromisoformat("2026-11-28T12:00:00Z"),
    Any: {},
}


def sample_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """A value for every parameter, those with a default too."""
    hints = get_type_hints(function)
    given: dict[str, Any] = {}
    for name, parameter in signature(function).parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD:
            [fields] = get_args(hints[name])
            given |= sample(fields)
        else:
            given[name] = sample(hints[name])
    return given


def sample(kind: Any) -> Any:
    """A value of a type."""
    if kind in PLAIN:
        return PLAIN[kind]
    if is_typeddict(kind):
        return {name: sample(hint) for name, hint in get_type_hints(kind).items()}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return sample(next(each for each in inner if each is not type(None)))
    if origin is Literal:
        return inner[0]
    if origin is NotRequired:
        return sample(inner[0])
    if origin is not None and issubclass(origin, Mapping):
        return {}
    if origin is not None and issubclass(origin, Sequence):
        return [sample(inner[0])]
    return io.BytesIO(b"{}\n")

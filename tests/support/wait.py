"""Waiting for a condition with a deadline, instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")


@overload
async def eventually(
    check: Callable[[], Awaitable[T]], *, timeout: float = ..., interval: float = ...
) -> T: ...
@overload
async def eventually(check: Callable[[], T], *, timeout: float = ..., interval: float = ...) -> T: ...
async def eventually(
    check: Callable[[], T | Awaitable[T]], *, timeout: float = 90, interval: float = 0.02
) -> T:
    """Call ``check`` (plain or async) until it returns something true, and return that.

    An AssertionError in it means "not yet". After ``timeout`` seconds it fails with the last result.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            outcome = check()
            result = cast("T", await outcome) if inspect.isawaitable(outcome) else outcome
        except AssertionError as error:
            last = error
        else:
            if result:
                return result
            last = result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not in {timeout:g} s: {_name(check)}; last: {last!r}") from (
                last if isinstance(last, AssertionError) else None
            )
        await asyncio.sleep(interval)


def _name(check: Callable[..., object]) -> str:
    return getattr(check, "__qualname__", repr(check))

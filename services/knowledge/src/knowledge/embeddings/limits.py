"""Limits on calls to an embeddings API, at once and in a minute, over all syncs and searches of a process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from knowledge.waiting.later import RateLimited
from knowledge.waiting.slots import EMBEDDER

QUERY_SECONDS = 3.0
"""The longest a person's query waits, for the limits or for a pause that the provider asks for."""


@dataclass(slots=True, frozen=True)
class Limits:
    """``concurrency`` calls of syncs at once; requests and tokens a minute, 0 for no limit.

    If the provider asks for a pause of more than ``longest_pause_seconds``, the sync is put back until then.
    """

    concurrency: int = 4
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    longest_pause_seconds: float = 30.0


class Gate:
    """Admits calls in the order they came. A sync has only so many of them waiting
    (:attr:`Embedder.concurrency`), so even a large base is never further ahead of another one."""

    def __init__(self, limits: Limits) -> None:
        self._longest_pause = limits.longest_pause_seconds
        self._slots = asyncio.Semaphore(limits.concurrency)
        # The limiters let small amounts overtake large ones, so only one call waits at a time.
        self._front = asyncio.Lock()
        self._requests = _spread(limits.requests_per_minute)
        self._tokens = _spread(limits.tokens_per_minute)
        self._paused_until = 0.0

    @asynccontextmanager
    async def turn(self, tokens: int, *, urgent: bool) -> AsyncIterator[None]:
        """Wait until a call of ``tokens`` is allowed, and make it in the body.

        ``urgent`` calls don't queue behind syncs. They take the next free allowance, and if that takes longer
        than ``QUERY_SECONDS`` they go all the same. Raises ``RateLimited`` while the provider asks for a
        pause that is too long to wait for.
        """
        if urgent:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUERY_SECONDS):
                    await self._take(tokens)
            await self._pass_pause(QUERY_SECONDS)
            yield
            return
        async with self._slots:
            async with self._front:
                await self._take(tokens)
            await self._pass_pause(self._longest_pause)
            yield

    def pause(self, seconds: float) -> None:
        """Hold back all calls for ``seconds`` from now, because the provider told one of them to wait."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    async def _take(self, tokens: float) -> None:
        if self._requests:
            await self._requests.acquire()
        while self._tokens and tokens > 0:
            part = min(tokens, self._tokens.max_rate)  # a batch may exceed the limiter's capacity
            await self._tokens.acquire(part)
            tokens -= part

    async def _pass_pause(self, longest: float) -> None:
        while (left := self._paused_until - time.monotonic()) > 0:
            if left > longest:
                raise RateLimited(EMBEDDER, left, f"it asks to wait {left:.0f} s")
            await asyncio.sleep(left)


def _spread(per_minute: int) -> AsyncLimiter | None:
    """Spread evenly over the minute, at most a second's share at once, because providers also count by the
    second. https://platform.openai.com/docs/guides/rate-limits"""
    if not per_minute:
        return None
    at_once = max(1.0, per_minute / 60)
    return AsyncLimiter(at_once, at_once * 60 / per_minute)

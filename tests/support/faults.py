"""A server with faults: one request in five gets something other than its answer."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from tests.support.github import Answer
from tests.support.web import Handler, Request

SHARE = 0.2

KINDS = ("error", "limit", "cut", "drop")
_ERRORS = (500, 502, 503, 504)


@dataclass
class BadDays:
    """Serves as ``handler`` does, but while ``on`` a share of requests fails, in each of ``KINDS`` by turns:
    5xx, a rate limit that asks for no pause or for a long one, a body cut short, a dropped connection.
    ``seen`` counts them."""

    handler: Handler
    chance: random.Random
    on: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    _kinds: Iterator[str] = field(default_factory=lambda: cycle(KINDS))

    async def __call__(self, request: Request) -> Answer:
        if not self.on or self.chance.random() >= SHARE:
            return await self.handler(request)
        kind = next(self._kinds)
        self.seen[kind] += 1
        if kind == "error":
            return Answer(self.chance.choice(_ERRORS), b"<html>Sorry!</html>", {"Content-Type": "text/html"})
        if kind == "limit":
            # Nobody waits in a test: one asks for no pause, the other for one that no client of ours takes.
            return Answer(429, b"slow down", {"Retry-After": self.chance.choice(["0", "3600"])})
        answer = await self.handler(request)
        if kind == "drop" or not answer.body:
            raise ConnectionResetError
        answer.sent = self.chance.randrange(len(answer.body))
        return answer

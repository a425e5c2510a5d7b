"""Remembers which entries became dead letters, so that no dead letter is written twice.

An entry may be redelivered after its dead letter was written (a group or a reply was lost), and even after an
operator dropped or replayed that letter. Kept in Redis beside the streams and dead letters, so that they are
kept or lost together.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from redis.asyncio import Redis

from backbone.dead_letters import DeadLetter
from backbone.events import PUBLISHED

MEMORY_SECONDS = 30 * 86_400
"""As long as the inbox's default retention. Takes about 100 bytes a letter."""


@dataclass(slots=True, frozen=True)
class Burials:
    """The letters that one group wrote."""

    redis: Redis
    stream: str
    group: str

    async def new(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """The ``letters`` that weren't written before."""
        marks: Any = [_mark(letter) for letter in letters]
        scores: Any = await self.redis.zmscore(self._key, marks)
        return [letter for letter, score in zip(letters, scores, strict=True) if score is None]

    def note(self, pipeline: Any, letters: Sequence[DeadLetter]) -> None:
        """Remember ``letters``, if possible in the transaction that writes them."""
        if not letters:
            return
        now = time.time()
        pipeline.zadd(self._key, {_mark(letter): now for letter in letters})
        pipeline.zremrangebyscore(self._key, "-inf", now - MEMORY_SECONDS)
        pipeline.expire(self._key, MEMORY_SECONDS)

    @property
    def _key(self) -> str:
        return f"{self.stream}:{self.group}:buried"


def _mark(letter: DeadLetter) -> bytes:
    """Digest of the entry's id and fields: ids start over in a topic that is recreated."""
    entry_id, fields = letter.entry
    mark = blake2b(entry_id.encode(), digest_size=16)
    for name, value in sorted(fields.items()):
        if name == PUBLISHED:
            continue
        mark.update(b"%d:%d:" % (len(name), len(value)) + name + value)
    return mark.digest()

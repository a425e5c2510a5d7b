"""The bus of a runtime on Redis Streams (the extra ``redis``)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from takaro_agent_client.errors import ConnectionFailed
from takaro_agent_client.events import Fact, InProcess, Outgoing
from takaro_agent_client.events.reading import GroupReader
from takaro_agent_client.events.redis import follow_async, publish_async
from takaro_agent_client.runtime.buses import FACTS, Bus

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Facts that a busy process keeps from the others of its group, at most, until they claim them."""
CLAIM_AFTER_MILLISECONDS = 10_000
PAUSE_SECONDS = 1.0
SUBJECTS = 10_000
"""Conversations whose facts are known again when they come twice. A turn isn't taken twice anyway."""


@asynccontextmanager
async def connect_redis(url: str, *, group: str, name: str) -> AsyncIterator[Bus]:
    """The bus at ``url``, read as the consumer ``name`` of ``group``."""
    async with Redis.from_url(url) as redis:
        yield RedisBus(redis, group, name)


class RedisBus:
    """Reads as a consumer of a group, and publishes."""

    def __init__(
        self, redis: Redis, group: str, name: str, *, claim_after_milliseconds: int = CLAIM_AFTER_MILLISECONDS
    ) -> None:
        self._redis = redis
        self._reader = GroupReader(
            FACTS,
            group,
            name,
            count=AT_ONCE,
            claim_after_milliseconds=claim_after_milliseconds,
            memory=InProcess(SUBJECTS),
        )

    async def facts(self) -> AsyncGenerator[Fact | None, None]:
        while True:
            try:
                async with aclosing(follow_async(self._redis, self._reader)) as facts:
                    async for fact in facts:
                        yield fact
            except (RedisError, OSError) as error:
                log.warning("Redis can't be read, trying again: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def publish(self, commands: Sequence[Outgoing]) -> None:
        try:
            await publish_async(self._redis, commands)
        except (RedisError, OSError) as error:
            raise ConnectionFailed(str(error) or repr(error)) from error

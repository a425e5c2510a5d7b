"""The event side of a service: its consumers, its relay, pruning and trimming, on connections of their own.

HTTP load can't starve it: it has its own Postgres connections, with a short lock timeout, since an entry
whose rows are locked is parked and tried again instead of holding up a batch.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from redis.asyncio import Redis

from common import inbox
from common.handlers import Router
from common.health import Check, NotReady
from common.leases import LeaseKeeper
from common.notifications import Notifications
from common.postgres import create_pool
from common.relay import Relay, count_waiting
from common.settings import ServiceSettings
from common.streams.batch import BatchTransaction
from common.streams.consumer import StreamConsumer
from common.streams.dead_letters import dead_stream
from common.streams.group import Group
from common.streams.processor import Processor
from common.streams.trimming import trim
from common.supervision import supervise

log = structlog.get_logger()

LOCK_TIMEOUT_SECONDS = 0.25
HOUSEKEEPING_SECONDS = 5.0


class Backbone:
    """Async context manager: running inside, stopped cleanly outside."""

    def __init__(
        self,
        settings: ServiceSettings,
        notifications: Notifications,
        streams: Mapping[str, Router],
        facts_stream: str,
    ) -> None:
        self._settings, self._notifications = settings, notifications
        self._streams, self._facts_stream = streams, facts_stream
        self._consumers: dict[str, StreamConsumer] = {}
        self._relay: Relay | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def checks(self) -> dict[str, Check]:
        """Readiness: each consumer active or standing by, and the relay."""

        async def relay() -> str:
            return self._relay.status if self._relay else "starting"

        def consumer(stream: str) -> Check:
            async def check() -> str:
                status = self._consumers[stream].status
                if status == "starting":
                    raise NotReady(f"the consumer of {stream} holds the lease but isn't reading yet")
                return status

            return check

        return {f"consumer {s}": consumer(s) for s in self._streams} | {f"relay {self._facts_stream}": relay}

    async def __aenter__(self) -> None:
        settings = self._settings
        self._pool = await create_pool(settings, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)
        self._redis = Redis.from_url(settings.event_bus_url, health_check_interval=15)
        for stream, router in self._streams.items():
            group = Group(self._redis, stream, settings.service)
            batch = BatchTransaction(self._pool, router, self._facts_stream)
            processor = Processor(group, router, batch, settings)
            keeper = self._keeper(f"consumer:{stream}:{settings.service}")
            self._consumers[stream] = StreamConsumer(settings, processor, keeper)
        keeper = self._keeper(f"relay:{self._facts_stream}")
        self._relay = Relay(self._pool, self._redis, self._notifications, keeper, self._facts_stream)
        work = {f"consumer {stream}": consumer.run for stream, consumer in self._consumers.items()}
        work |= {"relay": self._relay.run, "housekeeping": self._keep_house}
        self._tasks = [asyncio.create_task(supervise(name, run), name=name) for name, run in work.items()]

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        # Consumers first: what they commit while they stop, the relay still publishes or leaves to the next.
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._pool.close()
        await self._redis.aclose()

    def _keeper(self, name: str) -> LeaseKeeper:
        return LeaseKeeper(self._pool, name, self._settings.instance_name, self._settings.lease_ttl_seconds)

    async def _keep_house(self) -> None:
        """Trim, prune, measure. Only a service's own streams: each has one owner."""
        with suppress_instrumentation():
            while True:
                await asyncio.sleep(HOUSEKEEPING_SECONDS)
                await self._trim()
                async with self._pool.acquire() as connection:
                    await count_waiting(connection, self._facts_stream)
                    await inbox.prune(connection, older_than_seconds=self._settings.inbox_retention_seconds)

    async def _trim(self) -> None:
        retention = self._settings.stream_retention_seconds
        own = [stream for stream, router in self._streams.items() if router.rejected is not None]
        for stream in own:
            await trim(self._redis, stream, retention_seconds=retention, droppable=False)
            await trim(self._redis, dead_stream(stream), retention_seconds=retention, droppable=True)
        await trim(self._redis, self._facts_stream, retention_seconds=retention, droppable=True)

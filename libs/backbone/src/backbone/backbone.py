"""The event side of a service: its consumers, its relay, and the pruning and trimming of what they leave.

HTTP load can't starve it, because it has its own Postgres connections. Their lock timeout is short: an entry
whose rows are locked is parked and tried again, so it doesn't hold up its batch.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.bus import Consumer, check_reading, open_bus
from backbone.handlers import Router
from backbone.leases import LeaseKeeper
from backbone.names import relay_lease
from backbone.pruning import prune_records
from backbone.relay import Relay, count_waiting
from backbone.settings import BackboneSettings
from common.notifications import Notifications
from common.postgres import create_pool
from common.readiness import Check, NotReady
from common.schema_pool import SchemaPool
from common.supervision import stop, supervise

log = structlog.get_logger()

LOCK_TIMEOUT_SECONDS = 0.25
HOUSEKEEPING_SECONDS = 5.0
SWEEP_SECONDS = 0.2
"""How long housekeeping may take to stop."""


class Backbone:
    """Async context manager: runs inside the block, stops cleanly on exit."""

    def __init__(
        self,
        settings: BackboneSettings,
        notifications: Notifications,
        streams: Mapping[str, Router],
        facts_stream: str,
        *,
        required_revision: str = SchemaPool.required_revision,
    ) -> None:
        self._settings, self._notifications = settings, notifications
        self._required_revision = required_revision
        self._streams, self._facts_stream = streams, facts_stream
        self._consumers: dict[str, Consumer] = {}
        self._relay: Relay | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def checks(self) -> dict[str, Check]:
        """Readiness: each consumer is active or on standby, and the relay too."""

        async def relay() -> str:
            if self._relay is None:
                return "starting"
            if self._relay.trouble is not None:
                raise NotReady(f"the relay of {self._facts_stream} waits: {self._relay.trouble}"[:500])
            return self._relay.status

        def consumer(stream: str) -> Check:
            async def check() -> str:
                return check_reading(self._consumers[stream], stream)

            return check

        return {f"consumer {s}": consumer(s) for s in self._streams} | {f"relay {self._facts_stream}": relay}

    async def __aenter__(self) -> None:
        settings = self._settings
        self._pool = await create_pool(
            settings, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS, required_revision=self._required_revision
        )
        self._bus = open_bus(settings, self._pool)
        await self._bus.__aenter__()
        for stream, router in self._streams.items():
            self._consumers[stream] = self._bus.consumer(stream, router, self._facts_stream)
        lease = relay_lease(self._facts_stream)
        keeper = LeaseKeeper(self._pool, lease, settings.instance_name, settings.lease_ttl_seconds)
        self._relay = Relay(
            self._pool,
            self._bus.publisher,
            self._notifications,
            keeper,
            self._facts_stream,
            settings.stream_batch_bytes,
        )
        work = {f"consumer {stream}": consumer.run for stream, consumer in self._consumers.items()}
        work |= {"relay": self._relay.run, "housekeeping": self._keep_house}
        self._tasks = [asyncio.create_task(supervise(name, run), name=name) for name, run in work.items()]

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        # Consumers stop first: the relay still publishes what they commit meanwhile, or leaves it to its
        # successor.
        for task in self._tasks:
            # Housekeeping has nothing to finish. The others commit their current batch.
            idle = task.get_name() == "housekeeping"
            patience = SWEEP_SECONDS if idle else self._settings.shutdown_grace_seconds / 2
            await stop(task, patience_seconds=patience)
        await self._bus.__aexit__(None, None, None)
        await self._pool.close()

    async def _keep_house(self) -> None:
        """Trim, prune and measure the service's own streams. Each stream has one owner."""
        own = [stream for stream, router in self._streams.items() if router.rejected is not None]
        with suppress_instrumentation():
            while True:
                await asyncio.sleep(HOUSEKEEPING_SECONDS)
                await self._bus.keep_house(own, self._facts_stream)
                async with self._pool.acquire() as connection:
                    await count_waiting(connection, self._facts_stream)
                await prune_records(self._pool, self._settings)

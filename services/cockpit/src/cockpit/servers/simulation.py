"""The driver of everything timed: steps of running simulations, and servers whose conversation was deleted.

One replica at a time drives, under a lease. If it dies, another one continues from the stored rows. A driver
frozen past its lease changes nothing, because each step first holds the lease in its own transaction.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import structlog
from prometheus_client import Counter

from backbone.leases import Lease, LeaseKeeper, LeaseLost
from backbone.names import SIMULATION_LEASE
from cockpit.servers import connections, repository
from cockpit.servers.connected import resolve_stuck
from cockpit.servers.stopping import stop_orphaned_server
from cockpit.servers.use_cases import simulate
from cockpit.settings import CockpitSettings, ConnectionLimits
from common.errors import is_transient
from common.postgres import Connection, Pool, transaction, tried_again
from servicekit.service import Resources

log = structlog.get_logger()

STEPS = Counter("takaro_cockpit_simulation_steps", "Steps that simulations took")
STUCK = Counter("takaro_cockpit_stuck_servers", "Servers that didn't start or stop in time, resolved")
DROPPED = Counter("takaro_cockpit_takaro_events_dropped", "Events for Takaro dropped because too many waited")
ORPHANS = Counter("takaro_cockpit_orphaned_servers", "Servers stopped because their session was gone")

_BATCH = 100
_LONGEST_PAUSE = 0.5
_SWEEP_EVERY = 5.0
"""Seconds between searches for orphans. The fact of a deletion is faster; this finds the Node application's
deletions, which publish none."""

Change: TypeAlias = Callable[[Connection, str], Awaitable[bool]]


async def drive(resources: Resources, settings: CockpitSettings) -> None:
    """Compete for the lease and drive while it is held, until cancelled."""
    keeper = LeaseKeeper(resources.pool, SIMULATION_LEASE, settings.instance_name, settings.lease_ttl_seconds)
    interval = timedelta(seconds=settings.simulation_interval_seconds)
    limits = settings.connection_limits()

    async def work(lease: Lease) -> None:
        await _drive(resources.pool, lease, interval, limits)

    await keeper.run(work)


async def _drive(pool: Pool, lease: Lease, interval: timedelta, limits: ConnectionLimits) -> None:
    swept = float("-inf")
    while True:
        if time.monotonic() - swept >= _SWEEP_EVERY:
            swept = time.monotonic()
            async with pool.acquire() as connection:
                orphans = await repository.list_orphans(connection, _BATCH)
            for user_id in orphans:
                ORPHANS.inc(await advance(pool, lease, user_id, stop_orphaned_server))
            await _sweep_connections(pool, lease, limits)
        async with pool.acquire() as connection:
            due = await repository.list_due(connection, _BATCH)
        for user_id in due:
            STEPS.inc(await advance(pool, lease, user_id, lambda c, u: simulate(c, u, interval)))
        async with pool.acquire() as connection:
            pause = await repository.get_next_tick(connection)
        await asyncio.sleep(_LONGEST_PAUSE if pause is None else min(max(pause, 0.02), _LONGEST_PAUSE))


async def _sweep_connections(pool: Pool, lease: Lease, limits: ConnectionLimits) -> None:
    """Resolve states that no holder of a connection resolves, and keep bounded what waits for Takaro."""
    async with pool.acquire() as connection:
        stuck = await connections.list_stuck(connection, limits.start, limits.stop, _BATCH)
    for user_id in stuck:
        STUCK.inc(await advance(pool, lease, user_id, partial(resolve_stuck, limits=limits)))
    async with pool.acquire() as connection:
        dropped = await connections.delete_excess(connection, limits.events)
    if dropped:
        DROPPED.inc(dropped)
        log.warning("events for Takaro dropped, because too many wait", events=dropped)


async def advance(pool: Pool, lease: Lease, user_id: str, change: Change) -> bool:
    """One change in a fenced transaction. One server's broken state doesn't stop the others."""
    try:
        return await _change(pool, lease, user_id, change)
    except LeaseLost:
        raise
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("mock server step failed", user_id=user_id)
        return False


@tried_again
async def _change(pool: Pool, lease: Lease, user_id: str, change: Change) -> bool:
    async with transaction(pool) as connection:
        await lease.hold(connection)
        return await change(connection, user_id)

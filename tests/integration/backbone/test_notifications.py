"""NOTIFY reaches every waiter, whoever else subscribes at that moment and whatever the connection does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from common.notifications import Notifications, Subscription
from tests.support.probe import ProbeSettings
from tests.support.wait import eventually

CHANNELS = [f"channel_{number}" for number in range(5)]
_LISTENERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'takaro-probe-listen'
"""


@pytest.fixture
async def sender(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@asynccontextmanager
async def listening(database: str) -> AsyncIterator[Notifications]:
    notifications = Notifications(ProbeSettings(database_url=database, auth_mode="dev"))
    task = asyncio.create_task(notifications.run())
    try:
        yield notifications
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_subscribers_of_one_moment_all_hear(
    database: str, sender: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with listening(database) as notifications, AsyncExitStack() as open_:
        await eventually(lambda: sender.fetchval(_LISTENERS))
        subscriptions = await asyncio.gather(
            *(open_.enter_async_context(notifications.subscribe(channel)) for channel in CHANNELS)
        )
        await hear(sender, subscriptions)


async def test_a_new_connection_hears_what_was_subscribed_to_before_and_meanwhile(
    database: str, sender: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with listening(database) as notifications, AsyncExitStack() as open_:
        subscriptions = [await open_.enter_async_context(notifications.subscribe(CHANNELS[0]))]
        first = await eventually(lambda: sender.fetchval(_LISTENERS))
        await sender.execute("SELECT pg_terminate_backend($1)", first)
        subscriptions += await asyncio.gather(
            *(open_.enter_async_context(notifications.subscribe(channel)) for channel in CHANNELS[1:])
        )

        async def replaced() -> bool:
            return await sender.fetchval(_LISTENERS) not in (None, first)

        await eventually(replaced)
        await hear(sender, subscriptions)


async def test_a_subscriber_that_was_cancelled_leaves_nothing(database: str) -> None:
    async with listening(database) as notifications:
        await eventually(lambda: notifications._connection)
        async with notifications._using:  # another LISTEN is in flight
            waiting = asyncio.create_task(notifications.subscribe("channel").__aenter__())
            await eventually(lambda: notifications._waiters)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert not notifications._waiters


async def hear(sender: "asyncpg.Connection[asyncpg.Record]", subscriptions: "list[Subscription]") -> None:
    """Each subscription is woken by its channel's own notification."""
    for channel, subscription in zip(CHANNELS, subscriptions, strict=True):

        async def woken(channel: str = channel, subscription: Subscription = subscription) -> bool:
            await sender.execute(f"NOTIFY {channel}")
            return await subscription.wait(0.5)

        # A reconnection wakes everybody once, so only later wake-ups come from a notification.
        while await subscription.wait(0.05):
            pass
        await eventually(woken)

"""What brings each fact out of the outbox once it is committed, in its order."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from redis.exceptions import OutOfMemoryError

from backbone import relay
from backbone.publishing import EntryFields
from backbone.redis_streams.publisher import RedisPublisher
from common.notifications import Subscription
from tests.support.without.patch import Patch


def keeping_until_published(patch: Patch) -> None:
    """Facts that a full Redis refuses are deleted from the outbox all the same."""
    publish = RedisPublisher.publish

    async def careless(self: RedisPublisher, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        with suppress(OutOfMemoryError):
            return await publish(self, stream, entries)
        return []

    patch.setattr(RedisPublisher, "publish", careless)


def deletion_of_published(patch: Patch) -> None:
    """Facts stay in the outbox after they are published."""
    patch.setattr(relay, "DELETE_PUBLISHED", "SELECT $1::text, $2::bigint[]")


def order_of_facts(patch: Patch) -> None:
    """The relay reads the outbox in an arbitrary order."""
    unordered = relay.LIST_WAITING.replace("ORDER BY position", "ORDER BY event_id")
    patch.setattr(relay, "LIST_WAITING", unordered)


def notifications(patch: Patch) -> None:
    """Nobody is notified: a waiter waits for its whole timeout."""

    async def wait(_: Subscription, timeout_seconds: float) -> bool:
        await asyncio.sleep(timeout_seconds)
        return False

    patch.setattr(Subscription, "wait", wait)


def poll(patch: Patch) -> None:
    """The relay reads the outbox when it is notified, and never by itself."""
    patch.setattr(relay, "POLL_SECONDS", 3_600.0)

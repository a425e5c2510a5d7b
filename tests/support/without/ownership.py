"""What keeps one process in charge, and lets it stop."""

import asyncio
from contextlib import suppress

from backbone import leases, relay
from backbone.kafka.fencing import PartitionFence
from backbone.leases import Lease, LeaseKeeper
from backbone.redis_streams.consumer import StreamConsumer
from servicekit import running
from tests.support.without.patch import Patch, no, nothing


def fence(patch: Patch) -> None:
    """A transaction doesn't check whether its process still holds the lease."""
    patch.setattr(Lease, "hold", nothing)
    unfenced = relay.LIST_WAITING.replace(leases.FENCE, "SELECT $1::text, $2::bigint")
    patch.setattr(relay, "LIST_WAITING", unfenced)


def partition_fence(patch: Patch) -> None:
    """A transaction doesn't check whether its process still holds the partitions."""
    patch.setattr(PartitionFence, "hold", nothing)


def takeover(patch: Patch) -> None:
    """An expired lease counts as valid."""
    patch.setattr(leases, "LOOK", leases.LOOK.replace("expires_at < clock_timestamp()", "false"))


def patient_renewal(patch: Patch) -> None:
    """A renewal that found its row locked waits for its next turn, and others wait in the lock queue."""
    patch.setattr(leases, "RENEW_AGAIN_SECONDS", 0.4)
    in_line = """
    INSERT INTO leases AS current (name, owner, epoch, expires_at)
    VALUES ($1, $2, 1, clock_timestamp() + $3)
    ON CONFLICT (name) DO UPDATE
    SET owner = excluded.owner, epoch = current.epoch + 1, expires_at = excluded.expires_at
    WHERE current.expires_at < clock_timestamp() OR ($4 AND current.owner = excluded.owner)
    RETURNING epoch
    """
    patch.setattr(leases, "ACQUIRE", in_line)


def stop_limits(patch: Patch) -> None:
    """A stop waits until the current batch is complete, and nothing ends a process that hangs."""

    async def finish(self: StreamConsumer, handling: "asyncio.Task[None]") -> None:
        if not self._processor.in_flight:
            handling.cancel()
        while not handling.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([handling])

    patch.setattr(StreamConsumer, "_finish", finish)
    patch.setattr(running._Server, "_end_in_time", lambda _: None)


def noticing_of_namesakes(patch: Patch) -> None:
    """A process takes its lease back at once, whoever of its name has taken it."""
    patch.setattr(LeaseKeeper, "_look_for_a_namesake", no)

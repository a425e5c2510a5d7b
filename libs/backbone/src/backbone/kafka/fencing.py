"""Fencing on Kafka: the group's assignment decides who works on a partition, and the database enforces it.

A process that was frozen past its session may wake up in the middle of a transaction, unaware that its
partitions were reassigned. So a process first takes the rows of its assigned partitions in ``leases``. This
waits for transactions that hold those rows, and gives each row a new epoch. Every transaction reads the
epochs of its own assignment ``FOR SHARE``. Once another process has taken a partition, nothing of the old
holder commits.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backbone.leases import LeaseLost
from common.postgres import Connection

TAKE = """
INSERT INTO leases AS current (name, owner, epoch, expires_at)
SELECT name, $2, 1, 'infinity' FROM unnest($1::text[]) AS name ORDER BY name
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, epoch = current.epoch + 1, acquired_at = clock_timestamp(),
    expires_at = excluded.expires_at
RETURNING name, epoch
"""
HOLD = """
SELECT name FROM leases WHERE (name, epoch) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
ORDER BY name FOR SHARE
"""


@dataclass(slots=True)
class PartitionFence:
    """The right to work on the partitions of one assignment. ``lost`` is set when it ends."""

    epochs: Mapping[str, int]
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def take(cls, connection: Connection, names: Sequence[str], owner: str) -> "PartitionFence":
        """Take over the rows ``names``, once the transactions that hold them have ended."""
        rows = await connection.fetch(TAKE, sorted(names), owner)
        return cls({row["name"]: row["epoch"] for row in rows})

    async def hold(self, connection: Connection) -> None:
        """Fence the caller's transaction: hold the partitions until the commit. Raises :class:`LeaseLost`."""
        rows = await connection.fetch(HOLD, list(self.epochs), list(self.epochs.values()))
        if len(rows) != len(self.epochs):
            self.lost.set()
            raise LeaseLost("partitions were taken over by another process")

"""Who holds which lease, for operators."""

from dataclasses import dataclass

from common.postgres import Connection

LIST_LEASES = """
SELECT name, owner, epoch, extract(epoch FROM clock_timestamp() - acquired_at)::float8 AS held_seconds,
       expires_at > clock_timestamp() AS valid
FROM leases WHERE name LIKE $1 ORDER BY name
"""


@dataclass(slots=True, frozen=True)
class Holder:
    """The last holder of a lease. ``valid`` is false if the lease has expired."""

    name: str
    owner: str
    epoch: int
    held_seconds: float
    valid: bool


async def list_leases(connection: Connection, prefix: str) -> dict[str, Holder]:
    """Holders by lease name, of the leases whose names begin with ``prefix`` (see :mod:`backbone.names`)."""
    rows = await connection.fetch(LIST_LEASES, f"{prefix}%")
    return {row["name"]: Holder(**row) for row in rows}

"""Who holds which lease, by the database's clock."""

from dataclasses import dataclass

from common.postgres import Connection

LIST_LEASES = """
SELECT name, owner, epoch, extract(epoch FROM clock_timestamp() - acquired_at)::float8 AS held_seconds,
       expires_at > clock_timestamp() AS valid
FROM leases WHERE name LIKE $1 ORDER BY name
"""


@dataclass(slots=True, frozen=True)
class Holder:
    """The last holder of a lease; ``valid`` while its time hasn't run out."""

    name: str
    owner: str
    epoch: int
    held_seconds: float
    valid: bool


async def list_leases(connection: Connection, prefix: str) -> dict[str, Holder]:
    """Holders by the name of the lease, of those that begin with ``prefix`` (``consumer:``, ``relay:``)."""
    rows = await connection.fetch(LIST_LEASES, f"{prefix}%")
    return {row["name"]: Holder(**row) for row in rows}


def owner_of(holder: Holder | None) -> str:
    """For people: who it is, or that nobody is there."""
    if holder is None:
        return "nobody yet"
    return holder.owner if holder.valid else f"nobody (last: {holder.owner})"

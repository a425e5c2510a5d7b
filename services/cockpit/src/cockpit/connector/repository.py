"""SQL of connections to Takaro. Each function runs its one statement on the caller's connection."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from backbone.lease_sets import HELD_ELSEWHERE, HELD_HERE
from cockpit.connector.records import Sent, Standing, TakaroEvent, Wanted
from cockpit.game.records import GameEvent
from common.postgres import Connection

LIST_FREE = f"""
SELECT c.user_id, c.lease, g.status, clock_timestamp() - g.status_since AS age
FROM cockpit_connections c JOIN cockpit_game_servers g USING (user_id)
WHERE c.wanted AND g.connects AND g.status <> 'stopped' AND c.lease NOT IN {HELD_ELSEWHERE}
  AND c.lease <> ALL($2::text[])
ORDER BY g.status_since LIMIT $3
"""  # noqa: S608 -- only constants


async def list_free(
    connection: Connection, owner: str, held: Collection[str], limit: int
) -> Sequence[Wanted]:
    """Servers to connect that nobody holds, or that an earlier process of this name has left."""
    rows = await connection.fetch(LIST_FREE, owner, list(held), limit)
    return [Wanted(row["user_id"], row["lease"], Standing(row["status"], row["age"])) for row in rows]


LIST_STANDINGS = """
SELECT user_id, CASE WHEN connects THEN status ELSE 'stopped' END AS status,
       clock_timestamp() - status_since AS age
FROM cockpit_game_servers WHERE user_id = ANY($1::text[])
"""


async def list_standings(connection: Connection, user_ids: Collection[str]) -> Mapping[str, Standing]:
    """The status of these users' servers; one that no longer exists is missing."""
    rows = await connection.fetch(LIST_STANDINGS, list(user_ids))
    return {row["user_id"]: Standing(row["status"], row["age"]) for row in rows}


LIST_EVENTS = """
SELECT w.user_id, e.id, e.name, e.data
FROM unnest($1::text[], $2::bigint[]) AS w(user_id, through)
CROSS JOIN LATERAL (
    SELECT id, name, data FROM cockpit_takaro_events t
    WHERE t.user_id = w.user_id AND t.id > w.through ORDER BY id LIMIT $3
) AS e
ORDER BY w.user_id, e.id
"""


async def list_events(
    connection: Connection, through: Mapping[str, int], limit: int
) -> Mapping[str, list[TakaroEvent]]:
    """Events of these users' servers after the given ids, at most ``limit`` of each, in order."""
    rows = await connection.fetch(LIST_EVENTS, list(through), list(through.values()), limit)
    found: dict[str, list[TakaroEvent]] = defaultdict(list)
    for row in rows:
        found[row["user_id"]].append(TakaroEvent(row["id"], GameEvent(row["name"], row["data"])))
    return found


MOVE_CURSORS = f"""
WITH held AS {HELD_HERE}, moved AS (
    UPDATE cockpit_connections c SET sent_through = greatest(c.sent_through, s.through)
    FROM unnest($3::text[], $4::bigint[]) AS s(user_id, through), held h
    WHERE c.user_id = s.user_id AND c.lease = h.name
    RETURNING c.user_id, s.through
)
DELETE FROM cockpit_takaro_events e USING moved m WHERE e.user_id = m.user_id AND e.id <= m.through
"""  # noqa: S608 -- only constants
"""The leases are held to the commit, so a process that lost one moves no cursor."""


async def move_cursors(connection: Connection, sent: Sequence[Sent]) -> None:
    """Takaro has these events: they are deleted, if the lease is still held."""
    await connection.execute(
        MOVE_CURSORS,
        [each.lease for each in sent],
        [each.epoch for each in sent],
        [each.user_id for each in sent],
        [each.through for each in sent],
    )

"""``takaro outbox``: facts that are committed and not published yet, and who publishes them."""

from datetime import datetime

from rich.text import Text

from backbone.events import rfc3339
from common.postgres import Connection
from takaro_operator.leases import list_leases, owner_of
from takaro_operator.output import Json, age, make_table, print_json, printable, say, screen
from takaro_operator.running import OperatorSettings, open_database, run

RELAY = "relay:"

LIST_OUTBOX = """
SELECT stream, count(*) AS waiting, min(time) AS oldest,
       extract(epoch FROM clock_timestamp() - min(time))::float8 AS seconds
FROM outbox GROUP BY stream ORDER BY stream
"""


def outbox(as_json: Json = False) -> None:
    """Show the facts that wait for their relay by stream, the oldest one's age, and the relay's holder.

    --json gives one document.
    """

    async def work(settings: OperatorSettings) -> None:
        async with open_database(settings) as connection:
            waiting = {stream: found for stream, *found in await list_outbox(connection)}
            holders = await list_leases(connection, RELAY)
        names = sorted({*waiting, *(name.removeprefix(RELAY) for name in holders)})
        rows = [(name, *waiting.get(name, (0, None, None)), holders.get(RELAY + name)) for name in names]
        if as_json:
            print_json(
                {
                    "streams": [
                        {
                            "stream": name,
                            "waiting": count,
                            "oldest": rfc3339(oldest) if oldest else None,
                            "oldestAgeSeconds": seconds,
                            "relay": holder.owner if holder and holder.valid else None,
                            "relayHeldSeconds": holder.held_seconds if holder and holder.valid else None,
                        }
                        for name, count, oldest, seconds, holder in rows
                    ]
                }
            )
            return
        if not rows:
            say("nothing waits, and no relay has run yet")
            return
        table = make_table("Outbox", "stream", "waiting", "oldest", "relay", "since")
        for name, count, _, seconds, holder in rows:
            table.add_row(
                Text(printable(name)),
                Text(str(count), "yellow" if count else ""),
                f"{age(seconds)} ago" if seconds is not None else "",
                Text(printable(owner_of(holder)), "" if holder and holder.valid else "red"),
                age(holder.held_seconds) if holder and holder.valid else "",
            )
        screen().print(table)

    run(work)


async def list_outbox(connection: Connection) -> list[tuple[str, int, datetime, float]]:
    """``(stream, rows waiting, time of the oldest, its age in seconds)``."""
    return [tuple(row) for row in await connection.fetch(LIST_OUTBOX)]

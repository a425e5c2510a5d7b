"""``takaro outbox``: facts that are committed and not published yet, and who publishes them."""

from rich.text import Text

from backbone.events import rfc3339
from backbone.lease_holders import list_leases
from backbone.names import RELAY_LEASES, relay_lease
from backbone.outbox import count_by_stream
from takaro_operator.connections import open_database
from takaro_operator.output import Json, age, make_table, owner_of, print_json, printable, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings


def outbox(as_json: Json = False) -> None:
    """Show how many facts of each stream wait to be published, the oldest one's age, and who holds the relay.

    --json prints one document.
    """

    async def work(settings: OperatorSettings) -> None:
        async with open_database(settings) as connection:
            backlogs = await count_by_stream(connection)
            holders = await list_leases(connection, RELAY_LEASES)
        names = sorted({*backlogs, *(name.removeprefix(RELAY_LEASES) for name in holders)})
        rows = [(name, backlogs.get(name), holders.get(relay_lease(name))) for name in names]
        if as_json:
            shown = [
                {
                    "stream": name,
                    "waiting": backlog.waiting if backlog else 0,
                    "oldest": rfc3339(backlog.oldest) if backlog else None,
                    "oldestAgeSeconds": backlog.oldest_age_seconds if backlog else None,
                    "relay": holder.owner if holder and holder.valid else None,
                    "relayHeldSeconds": holder.held_seconds if holder and holder.valid else None,
                }
                for name, backlog, holder in rows
            ]
            print_json({"streams": shown})
            return
        if not rows:
            say("no facts wait, and no relay has run yet")
            return
        table = make_table("Outbox", "stream", "waiting", "oldest", "relay", "since")
        for name, backlog, holder in rows:
            table.add_row(
                Text(printable(name)),
                Text(str(backlog.waiting), "yellow") if backlog else Text("0"),
                f"{age(backlog.oldest_age_seconds)} ago" if backlog else "",
                Text(printable(owner_of(holder)), "" if holder and holder.valid else "red"),
                age(holder.held_seconds) if holder and holder.valid else "",
            )
        screen().print(table)

    run(work)

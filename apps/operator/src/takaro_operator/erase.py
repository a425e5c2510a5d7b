"""``takaro erase``: everything of one user, in all services; its receipt, and what is left."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from backbone import erasures
from common.postgres import Connection
from takaro_operator.connections import open_database
from takaro_operator.errors import Failure
from takaro_operator.leftovers import Leftover, find_leftovers
from takaro_operator.output import Json, make_table, print_json, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings


def erase(
    user: Annotated[str | None, typer.Argument(metavar="USER", help="The user's id.")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only count what is stored of the user; exit status 1 if anything is."),
    ] = False,
    receipt: Annotated[UUID | None, typer.Option(help="Show the receipt with this id.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase what all services store of USER: rows, entries of streams, dead letters and jobs.

    Prints the id of the receipt. The services do it, one after another of their batches. --check reads every
    table, stream and job, and counts what is left; --receipt shows what was erased. --json prints one
    document.
    """
    if (user is None) == (receipt is None) or (check and user is None):
        raise typer.BadParameter("name a USER, or a receipt with --receipt")
    if user is not None and not check and not yes:
        typer.confirm(f"Erase everything of {user!r}? Nothing brings it back", abort=True)

    async def work(settings: OperatorSettings) -> None:
        async with open_database(settings) as connection:
            if receipt is not None:
                await _show_receipt(connection, receipt, as_json)
            elif check:
                _show_leftovers(await find_leftovers(settings, connection, str(user)), as_json)
            else:
                async with connection.transaction():
                    erasure = await erasures.request(connection, str(user))
                if as_json:
                    print_json({"id": str(erasure)})
                else:
                    say(f"requested; see `takaro erase --receipt {erasure}`")

    run(work)


def _show_leftovers(found: Sequence[Leftover], as_json: bool) -> None:
    if as_json:
        print_json(
            {"left": [{"kind": each.kind, "place": each.place, "count": each.count} for each in found]}
        )
    elif not found:
        say("nothing is left of this user")
    else:
        table = make_table("Left", "kind", "place", "count")
        for each in found:
            table.add_row(each.kind, each.place, str(each.count))
        screen().print(table)
    if found:
        raise Failure(f"{sum(each.count for each in found)} traces of this user are left")


async def _show_receipt(connection: Connection, erasure_id: UUID, as_json: bool) -> None:
    receipts = await erasures.list_receipts(connection, erasure_id)
    if not receipts:
        raise Failure(f"there is no erasure {erasure_id}")
    if as_json:
        print_json(
            {
                "id": str(erasure_id),
                "userSha256": receipts[0].user_sha256.hex(),
                "services": {
                    each.service: {
                        "finished": each.finished_at.isoformat() if each.finished_at else None,
                        "counts": dict(each.counts),
                        "streams": dict(each.streams),
                    }
                    for each in receipts
                },
            }
        )
        return
    table = make_table("Erased", "service", "finished", "table or stream", "rows or entries")
    for each in receipts:
        finished = each.finished_at.isoformat(timespec="seconds") if each.finished_at else "not yet"
        for name, count in [*sorted(each.counts.items()), *sorted(each.streams.items())] or [("", 0)]:
            table.add_row(each.service, finished, name, str(count))
    screen().print(table)

"""``takaro erase``: everything of one user, in all services; its receipt, and what is left."""

from typing import Annotated
from uuid import UUID

import typer

from backbone import erasures, user_data
from common.postgres import Connection
from takaro_operator.connections import open_database
from takaro_operator.errors import Failure
from takaro_operator.output import Json, make_table, print_json, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings


def erase(
    user: Annotated[str | None, typer.Argument(metavar="USER", help="The user's id.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only count the user's rows, by table.")] = False,
    receipt: Annotated[UUID | None, typer.Option(help="Show the receipt with this id.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase what all services store of USER in Postgres. Prints the id of the receipt.

    The services do it, one after another of their batches. --check counts what is left; --receipt shows what
    was erased. --json prints one document.
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
                await _show_rows(connection, str(user), as_json)
            else:
                erasure = await erasures.request(connection, str(user))
                if as_json:
                    print_json({"id": str(erasure)})
                else:
                    say(f"requested; see `takaro erase --receipt {erasure}`")

    run(work)


async def _show_rows(connection: Connection, user: str, as_json: bool) -> None:
    counts: dict[str, int] = {}
    for table, column in await user_data.list_owner_columns(connection):
        if found := await user_data.count_rows(connection, table, column, user):
            counts[f"{table}.{column}"] = found
    if as_json:
        print_json({"rows": counts})
        return
    if not counts:
        say("no table has a row of this user")
        return
    table_of_rows = make_table("Rows", "column", "rows")
    for name, found in counts.items():
        table_of_rows.add_row(name, str(found))
    screen().print(table_of_rows)


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
                    }
                    for each in receipts
                },
            }
        )
        return
    table = make_table("Erased", "service", "finished", "table", "rows")
    for each in receipts:
        finished = each.finished_at.isoformat(timespec="seconds") if each.finished_at else "not yet"
        for name, count in sorted(each.counts.items()) or [("", 0)]:
            table.add_row(each.service, finished, name, str(count))
    screen().print(table)

"""``takaro quota``: how much users may use, over the HTTP API of chat."""

from enum import Enum
from typing import Annotated, Any

import typer
from rich.text import Text

from takaro_operator.chat_http import QuotasClient
from takaro_operator.errors import Refusal
from takaro_operator.output import Json, make_table, print_json, printable, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

app = typer.Typer(
    help="Show, set and remove the quotas of users.", no_args_is_help=True, add_completion=False
)

HEADINGS = ("counted", "warned from", "refused from", "used", "resets at", "set for")


class Measure(str, Enum):  # noqa: UP042 - Typer shows the members of a StrEnum by their names
    """What is counted."""

    messages = "messages"
    tokens = "tokens"


class Period(str, Enum):  # noqa: UP042
    """For how long."""

    day = "day"
    month = "month"


Whose = Annotated[str | None, typer.Argument(metavar="[USER]", help="The user's id; else give --everybody.")]
Everybody = Annotated[
    bool, typer.Option("--everybody", help="All users who have no quota of that kind of their own.")
]
What = Annotated[Measure, typer.Option(help="What is counted.")]
Span = Annotated[Period, typer.Option(help="How long until the count begins again, in UTC.")]
Operator = Annotated[
    str | None,
    typer.Option("--user", help="Your own id, for services with AUTH_MODE=dev; others take TAKARO_TOKEN."),
]


@app.command("list")
def list_quotas(
    user_id: Whose = None, everybody: Everybody = False, operator: Operator = None, as_json: Json = False
) -> None:
    """List the quotas that hold for a user, and what is used of them; or those of everybody."""

    async def work(_: OperatorSettings) -> None:
        async with QuotasClient(operator) as client:
            quotas = await client.call("GET", **_whose(user_id, everybody))
        if as_json:
            print_json({"quotas": quotas})
        elif quotas:
            _show(quotas)
        else:
            say("no quotas: `takaro quota set` sets one")

    run(work)


@app.command("set")
def set_quota(
    user_id: Whose = None,
    measure: What = Measure.messages,
    period: Span = Period.day,
    soft: Annotated[int | None, typer.Option(min=0, help="From so many on the user is warned.")] = None,
    hard: Annotated[int | None, typer.Option(min=0, help="From so many on the user is refused.")] = None,
    everybody: Everybody = False,
    operator: Operator = None,
) -> None:
    """Set a quota, in place of one of the same kind. What was used before counts too."""

    async def work(_: OperatorSettings) -> None:
        limits = {"soft": soft, "hard": hard}
        async with QuotasClient(operator) as client:
            await client.call("PUT", measure.value, period.value, json=limits, **_whose(user_id, everybody))
        say("set")

    run(work)


@app.command("remove")
def remove_quota(
    user_id: Whose = None,
    measure: What = Measure.messages,
    period: Span = Period.day,
    everybody: Everybody = False,
    operator: Operator = None,
) -> None:
    """Remove a quota: the user's own, or everybody's."""

    async def work(_: OperatorSettings) -> None:
        async with QuotasClient(operator) as client:
            await client.call("DELETE", measure.value, period.value, **_whose(user_id, everybody))
        say("removed")

    run(work)


def _whose(user_id: str | None, everybody: bool) -> dict[str, str]:
    if (user_id is None) != everybody:
        raise Refusal("give the id of a user, or --everybody, not both")
    return {"everybody": "true"} if user_id is None else {"userId": user_id}


def _show(quotas: list[dict[str, Any]]) -> None:
    table = make_table("Quotas", *HEADINGS)
    for quota in quotas:
        own = {True: "the user", False: "everybody", None: "everybody"}[quota.get("own")]
        cells = (
            f"{quota['measure']} of a {quota['period']}",
            quota["soft"],
            quota["hard"],
            quota.get("used"),
            quota.get("resetsAt"),
            own,
        )
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in cells))
    screen().print(table)

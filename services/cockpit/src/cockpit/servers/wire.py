"""Mock game servers on the wire."""

from typing_extensions import TypedDict

from cockpit.game.records import CommandResult
from contracts.cockpit import ConsoleLine
from servicekit.answers import Body


class CommandBody(Body):
    """One console line."""

    command: ConsoleLine


class CommandResultJson(TypedDict):
    """What the console answered. ``success`` is false if it refused the line."""

    result: str
    success: bool


def result_json(result: CommandResult) -> CommandResultJson:
    """The console's output, and whether it carried the line out."""
    return {"result": result.raw_result, "success": result.success}

"""Mock game servers on the wire."""

from typing import Any

from cockpit.game.records import CommandResult
from contracts.cockpit import ConsoleLine
from servicekit.answers import Body


class CommandBody(Body):
    """One console line."""

    command: ConsoleLine


def result_json(result: CommandResult) -> dict[str, Any]:
    """The console's output, and whether it carried the line out."""
    return {"result": result.raw_result, "success": result.success}

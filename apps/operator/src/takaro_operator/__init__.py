"""``takaro``: the operators' command line. It prints tables for people, and JSON for scripts (``--json``)."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "migrate": "migrate",
    "rollback": "migrate",
    "schema": "migrate:status",
    "token": "token",
    "contracts": "contracts",
    "events": "events:app",
    "dead": "dead:app",
    "streams": "streams",
    "outbox": "outbox",
    "event": "event",
    "trace": "trace",
    "kb": "kb:app",
}
"""By command: its module, then its function or Typer app, unless that has the command's name."""


class _Commands(TyperGroup):
    """Imports only the module of the command that is run, so that each starts fast."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"takaro_operator.{module}"), attribute or cmd_name)
        if not isinstance(found, typer.Typer):
            command = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
            command.command(cmd_name)(found)
            found = command
        built = typer.main.get_command(found)
        built.name = cmd_name
        return built


app = typer.Typer(
    name="takaro",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def takaro() -> None:
    """Operate the data plane of Takaro's agents."""

"""``takaro``: the operators' command line. It prints tables for people, and JSON for scripts (``--json``)."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Place(NamedTuple):
    """Where a command is: a module, then ``:`` and its function or Typer app unless that has the command's
    name. ``help`` is the line that the list of commands shows."""

    module: str
    help: str


COMMANDS = {
    "migrate": Place("migrate", "Apply every missing revision of the schema."),
    "rollback": Place("migrate", "Take back the last batch of the schema."),
    "schema": Place("migrate:status", "Show which revisions are applied, and which are missing."),
    "token": Place("token", "Make a token for USER, signed with JWT_SECRET."),
    "contracts": Place("contracts", "Write the schemas of all event types to FOLDER."),
    "events": Place("events:app", "Follow events, and publish them by hand."),
    "dead": Place("dead:app", "List, show, replay and drop dead letters."),
    "streams": Place("streams", "Show each stream's length and age, and its groups."),
    "outbox": Place("outbox", "Show how many facts of each stream wait to be published."),
    "event": Place("event", "Follow one event, or those of a conversation."),
    "trace": Place("trace", "Show a trace as a tree of spans."),
    "quota": Place("quota:app", "Show, set and remove the quotas of users."),
    "export": Place("exports:export", "Export a user's conversations to FILE, as JSON Lines."),
    "import": Place("imports:import_conversations", "Import the conversations in FILE as the user's."),
    "erase": Place("erase", "Erase what all services store of USER."),
    "kb": Place("kb:app", "List, add, sync, schedule, search and remove knowledge bases."),
}


class _Commands(TyperGroup):
    """Imports only the module of the command that is run: each starts fast, and so does ``--help``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=place.help) for name, place in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and _load(str(name)), rest


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name].module.partition(":")
    found = getattr(import_module(f"takaro_operator.{module}"), attribute or name)
    if not isinstance(found, typer.Typer):
        command = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        command.command(name)(found)
        found = command
    built = typer.main.get_command(found)
    built.name = name
    return built


app = typer.Typer(
    name="takaro",
    cls=_Commands,
    rich_markup_mode=None,  # to import rich takes longer than all the rest of `--help`
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"takaro {version('takaro-operator')}")
        raise typer.Exit


@app.callback()
def takaro(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Operate the data plane of Takaro's agents."""

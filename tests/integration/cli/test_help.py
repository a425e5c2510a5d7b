"""Help, version and completion: what people meet before they know a command."""

import inspect
from importlib import import_module
from importlib.metadata import version

import typer

from takaro_operator import COMMANDS
from tests.integration.cli.terminal import Terminal


async def test_the_list_of_commands_says_what_each_command_says(takaro: Terminal) -> None:
    """The list has lines of its own, so that it needs no command's module."""
    shown = (await takaro("--help")).out
    for name, place in COMMANDS.items():
        module, _, attribute = place.module.partition(":")
        found = getattr(import_module(f"takaro_operator.{module}"), attribute or name)
        said = str(found.info.help) if isinstance(found, typer.Typer) else str(inspect.getdoc(found))
        first = said.split("\n\n")[0].split(". ")[0].replace("\n", " ")
        assert first.startswith(place.help.rstrip(".")), name
        assert f"{name:<9}  {place.help}" in shown, "it fits into one line"


async def test_it_tells_its_version(takaro: Terminal) -> None:
    assert (await takaro("--version")).out == f"takaro {version('takaro-operator')}\n"


async def test_a_misspelt_command_is_corrected(takaro: Terminal) -> None:
    assert "'streams'" in (await takaro("strems", expect=2)).err


async def test_a_shell_completes_streams_types_and_commands(takaro: Terminal) -> None:
    assert await _completed(takaro, "takaro st") == ["streams"]
    assert await _completed(takaro, "takaro events tail knowledge.") == [
        "knowledge.commands",
        "knowledge.commands.dead",
        "knowledge.events",
        "knowledge.events.dead",
    ]
    assert await _completed(takaro, "takaro events publish chat.commands chat.message.") == [
        "chat.message.append.v1"
    ]
    types = await _completed(takaro, "takaro dead list --type chat.message.")
    assert "chat.message.appended.v1" in types


async def test_without_the_service_no_base_is_completed(takaro: Terminal) -> None:
    nowhere = takaro.with_settings(KNOWLEDGE_URL="http://127.0.0.1:9")
    assert await _completed(nowhere, "takaro kb search --user ann pro") == []


async def _completed(takaro: Terminal, line: str) -> list[str]:
    """What bash is offered for the last word of ``line``."""
    words = line.split(" ")
    shell = takaro.with_settings(
        _TAKARO_COMPLETE="complete_bash", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1)
    )
    return (await shell()).out.split()

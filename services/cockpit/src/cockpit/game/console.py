"""The console: lines that people type, each a command of the table below."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

from cockpit.game import rules
from cockpit.game.records import CommandResult, GameState, Outcome, Player
from cockpit.game.rules import Step
from cockpit.game.scenario import play_scenario
from cockpit.game.world import VERSION

MOST_PING_MS = 60_000


class Refused(Exception):
    """The command can't be carried out; the message is the answer."""


Handler: TypeAlias = Callable[[Step, str, datetime], str]


class Entry(NamedTuple):
    """A command: how it is typed, what it does, and the function that runs it."""

    usage: str
    about: str
    run: Handler


def execute(state: GameState, line: str, now: datetime) -> Outcome:
    """Run one console line. The result is a :class:`CommandResult`; a refused line changes nothing."""
    word, _, rest = line.strip().partition(" ")
    entry = COMMANDS.get(word.casefold())
    if entry is None:
        return Outcome(state, CommandResult(False, f"Unknown command: {word}. Try help"))
    step = Step(state)
    try:
        answer = entry.run(step, rest.strip(), now)
    except Refused as refusal:
        return Outcome(state, CommandResult(False, str(refusal)))
    return step.outcome(CommandResult(True, answer))


def _player(step: Step, reference: str, usage: str) -> Player:
    if not reference:
        raise Refused(f"Usage: {usage}")
    player = step.state.find(reference)
    if player is None:
        raise Refused(f"Player not found: {reference}")
    return player


def _player_and_text(step: Step, rest: str, usage: str) -> tuple[Player, str]:
    reference, _, text = rest.partition(" ")
    return _player(step, reference, usage), text.strip()


def _version(step: Step, rest: str, now: datetime) -> str:
    return VERSION


def _help(step: Step, rest: str, now: datetime) -> str:
    return "\n".join(f"{entry.usage} - {entry.about}" for entry in COMMANDS.values())


def _connect_all(step: Step, rest: str, now: datetime) -> str:
    return f"Connected {rules.connect_all(step, now)} players"


def _disconnect_all(step: Step, rest: str, now: datetime) -> str:
    return f"Disconnected {rules.disconnect_all(step)} players"


def _connect(step: Step, rest: str, now: datetime) -> str:
    player = _player(step, rest, "connectPlayer <id>")
    if ban := step.state.ban_of(player.game_id, now):
        raise Refused(f"{player.name} is banned" + (f": {ban.reason}" if ban.reason else ""))
    if not rules.connect(step, player, now):
        raise Refused(f"{player.name} is already connected")
    return f"Connected {player.name}"


def _disconnect(step: Step, rest: str, now: datetime) -> str:
    player = _player(step, rest, "disconnectPlayer <id>")
    if not rules.disconnect(step, player):
        raise Refused(f"{player.name} is not connected")
    return f"Disconnected {player.name}"


def _say(step: Step, rest: str, now: datetime) -> str:
    if not rest:
        raise Refused("Usage: say <text>")
    rules.say(step, rest)
    return f"Said: {rest}"


def _ban(step: Step, rest: str, now: datetime) -> str:
    player, reason = _player_and_text(step, rest, "ban <id> <reason>")
    rules.ban(step, player, reason or None)
    return f"Banned {player.name}" + (f": {reason}" if reason else "")


def _unban(step: Step, rest: str, now: datetime) -> str:
    player = _player(step, rest, "unban <id>")
    if not rules.unban(step, player):
        raise Refused(f"{player.name} is not banned")
    return f"Unbanned {player.name}"


def _kick(step: Step, rest: str, now: datetime) -> str:
    player, reason = _player_and_text(step, rest, "kick <id> <reason>")
    if not rules.kick(step, player, reason or None):
        raise Refused(f"{player.name} is not connected")
    return f"Kicked {player.name}" + (f": {reason}" if reason else "")


def _trigger_kill(step: Step, rest: str, now: datetime) -> str:
    player = _player(step, rest, "triggerKill <id>")
    if not player.online:
        raise Refused(f"{player.name} is not connected")
    rules.kill(step, player)
    return f"{player.name} killed a zombie and was killed"


def _set_ping(step: Step, rest: str, now: datetime) -> str:
    player, text = _player_and_text(step, rest, "setPlayerPing <id> <ms>")
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= MOST_PING_MS):
        raise Refused(f"Usage: setPlayerPing <id> <ms>, with 0 to {MOST_PING_MS} ms")
    rules.set_ping(step, player, int(text))
    return f"Ping of {player.name} is {int(text)} ms"


def _scenario(step: Step, rest: str, now: datetime) -> str:
    play_scenario(step, now)
    return f"Played the scenario: {len(step.events)} events"


def _start_simulation(step: Step, rest: str, now: datetime) -> str:
    if step.state.simulating:
        raise Refused("The simulation is already running")
    step.state = replace(step.state, simulating=True)
    return "Simulation started"


def _stop_simulation(step: Step, rest: str, now: datetime) -> str:
    if not step.state.simulating:
        raise Refused("The simulation is not running")
    step.state = replace(step.state, simulating=False)
    return "Simulation stopped"


_ENTRIES = (
    Entry("version", "what runs here", _version),
    Entry("connectAll", "everyone who is not banned comes online", _connect_all),
    Entry("disconnectAll", "everyone leaves", _disconnect_all),
    Entry("connectPlayer <id>", "one player comes online", _connect),
    Entry("disconnectPlayer <id>", "one player leaves", _disconnect),
    Entry("say <text>", "the server speaks in the global chat", _say),
    Entry("ban <id> <reason>", "keep a player out", _ban),
    Entry("unban <id>", "let a player in again", _unban),
    Entry("kick <id> <reason>", "disconnect a player", _kick),
    Entry("triggerKill <id>", "a player kills and dies", _trigger_kill),
    Entry("setPlayerPing <id> <ms>", "how slow a player's line is", _set_ping),
    Entry("scenario", "play a short scene", _scenario),
    Entry("startSimulation", "let players chat, come and go by themselves", _start_simulation),
    Entry("stopSimulation", "end that", _stop_simulation),
    Entry("help", "this list", _help),
)
COMMANDS = {entry.usage.partition(" ")[0].casefold(): entry for entry in _ENTRIES}
"""Commands by their word in lower case; case doesn't matter at the console."""

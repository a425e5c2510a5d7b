"""The machine: one function from a state and a move to the next state, an answer and events."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from cockpit.game import console, rules
from cockpit.game.actions import perform
from cockpit.game.records import GameState, Outcome
from cockpit.game.rules import Step
from cockpit.game.scenario import simulate_step


@dataclass(frozen=True, slots=True)
class Start:
    """The server starts and everyone who isn't banned connects."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Everyone is disconnected, the simulation ends, the server stops. Bans and belongings stay."""


@dataclass(frozen=True, slots=True)
class Console:
    """A console line; the result is a :class:`~cockpit.game.records.CommandResult`."""

    line: str


@dataclass(frozen=True, slots=True)
class Action:
    """A request of Takaro's connector; the result is its ``payload``. Raises ``ActionRefused``."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tick:
    """One step of the simulation; nothing if it is off."""


Move: TypeAlias = Start | Stop | Console | Action | Tick


class NotRunning(Exception):
    """Only a running server has a console, a simulation and answers."""


def apply(state: GameState, move: Move, now: datetime) -> Outcome:
    """The outcome of ``move`` at ``now`` (aware). The same arguments always give the same outcome.

    Starting what runs and stopping what is stopped change nothing. Raises :class:`NotRunning` for the other
    moves on a stopped server.
    """
    match move:
        case Start():
            return _start(state, now)
        case Stop():
            return _stop(state)
    if not state.running:
        raise NotRunning("Mock server not running")
    match move:
        case Console(line):
            return console.execute(state, line, now)
        case Action("shutdown"):
            return _stop(state)
        case Action(name, args):
            return perform(state, name, args, now)
        case Tick():
            return _tick(state, now)


def _start(state: GameState, now: datetime) -> Outcome:
    if state.running:
        return Outcome(state)
    step = Step(replace(state, running=True))
    rules.connect_all(step, now)
    return step.outcome()


def _stop(state: GameState) -> Outcome:
    if not state.running:
        return Outcome(state)
    step = Step(state)
    rules.disconnect_all(step, "Server stopped")
    step.state = replace(step.state, running=False, simulating=False)
    return step.outcome()


def _tick(state: GameState, now: datetime) -> Outcome:
    if not state.simulating:
        return Outcome(state)
    step = Step(state)
    simulate_step(step, now)
    step.state = replace(step.state, ticks=step.state.ticks + 1)
    return step.outcome()

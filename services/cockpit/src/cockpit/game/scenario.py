"""Scenes that the game plays by itself: a fixed one, and the steps of the simulation."""

from datetime import datetime

from cockpit.game import rules
from cockpit.game.rules import Step
from cockpit.game.world import SMALL_TALK


def play_scenario(step: Step, now: datetime) -> None:
    """Everyone arrives, two talk, one dies, leaves and comes back. Banned players stay away."""
    rules.connect_all(step, now)
    present = step.state.online()
    if not present:
        return
    first, last = present[0], present[-1]
    rules.say(step, "hello everyone", first)
    rules.say(step, "anyone up for the old mine?", last)
    rules.kill(step, last)
    rules.disconnect(step, last)
    rules.say(step, f"poor {last.name}", first if first != last else None)
    rules.connect(step, last, now)
    rules.say(step, "back again", last)


def simulate_step(step: Step, now: datetime) -> None:
    """One step of the simulation: somebody chats; every third step somebody comes or goes instead.

    What happens depends only on the step's number, so a step repeated after a rollback is the same.
    """
    number = step.state.ticks
    players = step.state.players
    player = players[(number * 3) % len(players)]
    present = step.state.online()
    if number % 3 == 2 or not present:
        if not rules.disconnect(step, player):
            rules.connect(step, player, now)
        return
    speaker = present[number % len(present)]
    rules.say(step, SMALL_TALK[number % len(SMALL_TALK)], speaker)

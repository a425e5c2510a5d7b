"""The console commands that people use on the mock server."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cockpit.game.machine import Console, NotRunning, Start, Stop, apply
from cockpit.game.records import CommandResult, GameState, Outcome
from cockpit.game.roster import new_game
from cockpit.game.wire import command_result_json

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def running() -> GameState:
    return apply(new_game("ann"), Start(), NOW).state


def run(state: GameState, *lines: str) -> Outcome:
    """The outcome of the last line."""
    outcome = Outcome(state)
    for line in lines:
        outcome = apply(outcome.state, Console(line), NOW)
    return outcome


def names(outcome: Outcome) -> list[str]:
    return [event.name for event in outcome.events]


def online(state: GameState) -> list[str]:
    return [one.game_id for one in state.online()]


def answer(outcome: Outcome) -> CommandResult:
    assert isinstance(outcome.result, CommandResult)
    return outcome.result


def test_version_names_the_mock_server(running: GameState) -> None:
    assert answer(run(running, "version")).success
    assert "mock" in answer(run(running, "version")).raw_result


def test_help_lists_every_command(running: GameState) -> None:
    text = answer(run(running, "help")).raw_result
    for word in (
        "version", "connectAll", "disconnectAll", "connectPlayer", "disconnectPlayer", "say", "ban", "unban",
        "kick", "triggerKill", "setPlayerPing", "scenario", "startSimulation", "stopSimulation", "help",
    ):  # fmt: skip
        assert f"{word} " in text


def test_everybody_leaves_and_comes_back(running: GameState) -> None:
    left = run(running, "disconnectAll")
    assert names(left) == ["player-disconnected"] * 5
    assert online(left.state) == []
    back = run(left.state, "connectAll")
    assert names(back) == ["player-connected"] * 5
    assert online(back.state) == ["1", "2", "3", "4", "5"]
    assert answer(back).raw_result == "Connected 5 players"


def test_one_player_leaves_and_comes_back(running: GameState) -> None:
    left = run(running, "disconnectPlayer 3")
    assert names(left) == ["player-disconnected"]
    assert online(left.state) == ["1", "2", "4", "5"]
    back = run(left.state, "connectPlayer 3")
    assert names(back) == ["player-connected"]
    assert back.events[0].data["player"]["gameId"] == "3"


@pytest.mark.parametrize("attribute", ["id", "game_id", "name"])
def test_a_player_is_known_by_id_game_id_and_name(running: GameState, attribute: str) -> None:
    reference = getattr(running.players[1], attribute)
    assert online(run(running, f"disconnectPlayer {reference}").state) == ["1", "3", "4", "5"]


def test_say_is_global_chat_of_the_server(running: GameState) -> None:
    said = run(running, "say hello  there")
    assert [(event.name, dict(event.data)) for event in said.events] == [
        ("chat-message", {"channel": "global", "msg": "hello  there"})
    ]


def test_a_banned_player_is_disconnected_and_stays_out_until_unbanned(running: GameState) -> None:
    banned = run(running, "ban 2 griefing the market")
    assert names(banned) == ["player-disconnected"]
    assert banned.events[0].data["reason"] == "Banned: griefing the market"
    refused = run(banned.state, "connectPlayer 2")
    assert not answer(refused).success
    assert "griefing the market" in answer(refused).raw_result
    assert online(run(banned.state, "disconnectAll", "connectAll").state) == ["1", "3", "4", "5"]
    assert online(run(banned.state, "unban 2", "connectPlayer 2").state) == ["1", "2", "3", "4", "5"]


def test_a_ban_outlives_the_server(running: GameState) -> None:
    banned = run(running, "ban 2 griefing").state
    again = apply(apply(banned, Stop(), NOW).state, Start(), NOW)
    assert online(again.state) == ["1", "3", "4", "5"]


def test_a_kicked_player_leaves_with_the_reason_and_may_come_back(running: GameState) -> None:
    kicked = run(running, "kick 4 bad words")
    assert names(kicked) == ["player-disconnected"]
    assert kicked.events[0].data["reason"] == "Kicked: bad words"
    assert "4" in online(run(kicked.state, "connectPlayer 4").state)


def test_trigger_kill_is_a_kill_a_death_and_a_line_of_chat(running: GameState) -> None:
    killed = run(running, "triggerKill 1")
    assert names(killed) == ["entity-killed", "player-death", "chat-message"]
    assert killed.events[0].data["entity"] == "zombie"


def test_ping_is_set_in_milliseconds(running: GameState) -> None:
    assert run(running, "setPlayerPing 5 250").state.players[4].ping == 250


@pytest.mark.parametrize("ping", ["", "-1", "fast", "60001", "1e3", "9" * 5000, "²"])
def test_a_ping_that_is_no_ping_is_refused(running: GameState, ping: str) -> None:
    refused = run(running, f"setPlayerPing 5 {ping}")
    assert not answer(refused).success
    assert refused.state == running


def test_the_scenario_has_arrivals_chat_a_death_and_a_return(running: GameState) -> None:
    played = run(running, "disconnectAll", "scenario")
    assert names(played)[:5] == ["player-connected"] * 5
    assert {"chat-message", "player-death", "player-disconnected"} <= set(names(played))
    assert len(online(played.state)) == 5


def test_the_scenario_needs_nobody(running: GameState) -> None:
    alone = run(running, *(f"ban {number} out" for number in range(1, 6)), "scenario")
    assert answer(alone).success
    assert alone.events == ()


def test_the_simulation_is_on_or_off(running: GameState) -> None:
    started = run(running, "startSimulation")
    assert started.state.simulating
    assert not answer(run(started.state, "startSimulation")).success
    assert not run(started.state, "stopSimulation").state.simulating
    assert not answer(run(running, "stopSimulation")).success


def test_case_does_not_matter(running: GameState) -> None:
    assert answer(run(running, "CONNECTALL")).success


@pytest.mark.parametrize(
    "line",
    [
        "dance", "", "   ", "connectPlayer", "connectPlayer 6", "connectPlayer 1", "say", "ban", "ban 9 why",
        "unban 1", "unban 9", "kick 9 out", "triggerKill 9", "setPlayerPing 1", "disconnectPlayer nobody",
    ],
)  # fmt: skip
def test_what_can_not_be_done_is_no_success_and_changes_nothing(running: GameState, line: str) -> None:
    refused = run(running, line)
    assert not answer(refused).success
    assert refused.state == running
    assert refused.events == ()
    wire: dict[str, Any] = command_result_json(answer(refused))
    assert wire["errorMessage"] == wire["rawResult"]


def test_a_stopped_server_has_no_console() -> None:
    with pytest.raises(NotRunning):
        apply(new_game("ann"), Console("version"), NOW)

"""Start, stop, simulation and the snapshot of the mock game."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.game import snapshot
from cockpit.game.actions import ACTIONS, ActionRefused
from cockpit.game.machine import Action, Console, Move, NotRunning, Start, Stop, Tick, apply
from cockpit.game.records import GameState
from cockpit.game.roster import new_game
from common import codec

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

LINES = st.sampled_from(
    (
        "connectAll", "disconnectAll", "connectPlayer 1", "disconnectPlayer 2", "ban 3", "unban 3", "kick 4",
        "triggerKill 5", "setPlayerPing 1 5", "scenario", "startSimulation", "stopSimulation", "no", "say hi",
    )
)  # fmt: skip
MOVES: st.SearchStrategy[Move] = st.one_of(
    LINES.map(Console),
    st.just(Tick()),
    st.just(Start()),
    st.builds(
        Action,
        st.sampled_from([name for name in ACTIONS if name.startswith(("get", "list"))]),
        st.just({"gameId": "1", "x": 0, "y": 0, "z": 0}),
    ),
    st.just(
        Action(
            "banPlayer",
            {"player": {"gameId": "2"}, "expiresAt": (NOW + timedelta(hours=1)).isoformat()},
        )
    ),
    st.just(Action("giveItem", {"player": {"gameId": "1"}, "item": "wood", "amount": 3})),
)


def test_a_started_server_has_everybody_online() -> None:
    outcome = apply(new_game("ann"), Start(), NOW)
    assert outcome.state.running
    assert [event.name for event in outcome.events] == ["player-connected"] * 5


def test_stopping_disconnects_everybody_and_ends_the_simulation() -> None:
    state = apply(apply(new_game("ann"), Start(), NOW).state, Console("startSimulation"), NOW).state
    outcome = apply(state, Stop(), NOW)
    assert not outcome.state.running
    assert not outcome.state.simulating
    assert [event.name for event in outcome.events] == ["player-disconnected"] * 5


def test_starting_twice_and_stopping_twice_change_nothing() -> None:
    stopped = new_game("ann")
    assert apply(stopped, Stop(), NOW).state == stopped
    running = apply(stopped, Start(), NOW).state
    again = apply(running, Start(), NOW)
    assert (again.state, again.events) == (running, ())


def test_a_stopped_server_does_not_tick() -> None:
    with pytest.raises(NotRunning):
        apply(new_game("ann"), Tick(), NOW)


def test_the_simulation_brings_chat_departures_and_arrivals() -> None:
    state = apply(apply(new_game("ann"), Start(), NOW).state, Console("startSimulation"), NOW).state
    seen = set()
    for _ in range(60):
        outcome = apply(state, Tick(), NOW)
        assert len(outcome.events) <= 1
        seen |= {event.name for event in outcome.events}
        state = outcome.state
    assert seen == {"chat-message", "player-connected", "player-disconnected"}


def test_a_tick_without_simulation_does_nothing() -> None:
    running = apply(new_game("ann"), Start(), NOW).state
    assert apply(running, Tick(), NOW).state == running


@given(st.lists(MOVES, max_size=40))
def test_whatever_happens_the_snapshot_brings_the_same_game_back(moves: list[Move]) -> None:
    state = apply(new_game("ann"), Start(), NOW).state
    for move in moves:
        state = apply(state, move, NOW).state
        assert len(state.players) == 5
        for player in state.online():
            assert state.ban_of(player.game_id, NOW) is None
    assert snapshot.load(codec.loads(codec.dumps(snapshot.dump(state)))) == state


@given(st.lists(MOVES, max_size=20))
def test_the_same_moves_always_have_the_same_outcome(moves: list[Move]) -> None:
    def play() -> tuple[GameState, list[object]]:
        state = apply(new_game("ann"), Start(), NOW).state
        happened: list[object] = []
        for move in moves:
            outcome = apply(state, move, NOW)
            state = outcome.state
            happened.append((outcome.result, outcome.events))
        return state, happened

    assert play() == play()


def test_a_snapshot_of_another_release_is_read() -> None:
    old = snapshot.dump(new_game("ann"))
    for field in ("ticks", "bans", "simulating"):
        del old[field]
    assert snapshot.load({**old, "weather": "rain"}) == new_game("ann")


def test_unknown_actions_are_refused() -> None:
    running = apply(new_game("ann"), Start(), NOW).state
    with pytest.raises(ActionRefused, match="Unknown action: explode"):
        apply(running, Action("explode"), NOW)

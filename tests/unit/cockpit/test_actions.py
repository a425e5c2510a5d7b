"""The requests of Takaro's connector, answered in its wire forms."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.game.actions import ActionRefused
from cockpit.game.machine import Action, Start, apply
from cockpit.game.records import MOST_ITEMS, GameState, Outcome
from cockpit.game.roster import new_game
from common import codec

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOMEBODY = {"player": {"gameId": "2"}}


@pytest.fixture
def running() -> GameState:
    return apply(new_game("ann"), Start(), NOW).state


def ask(state: GameState, action: str, **args: Any) -> Outcome:
    return apply(state, Action(action, args), NOW)


def test_players_are_known_while_online(running: GameState) -> None:
    assert [one["gameId"] for one in ask(running, "getPlayers").result] == ["1", "2", "3", "4", "5"]
    left = ask(running, "kickPlayer", **SOMEBODY, reason="x").state
    assert [one["gameId"] for one in ask(left, "getPlayers").result] == ["1", "3", "4", "5"]


def test_a_player_has_the_connectors_fields(running: GameState) -> None:
    player = ask(running, "getPlayer", gameId="2").result
    assert set(player) == {"gameId", "name", "steamId", "platformId", "ip", "ping"}
    assert player["platformId"].count(":") == 1


@pytest.mark.parametrize("action", ["getPlayer", "getPlayerLocation"])
def test_a_player_not_found_is_null(running: GameState, action: str) -> None:
    assert ask(running, action, gameId="9").result is None


def test_a_teleported_player_is_there(running: GameState) -> None:
    state = ask(running, "teleportPlayer", **SOMEBODY, x=1, y=2.5, z=-3, dimension="nether").state
    assert ask(state, "getPlayerLocation", gameId="2").result == {
        "x": 1, "y": 2.5, "z": -3, "dimension": "nether",
    }  # fmt: skip


def test_given_items_are_carried_and_pile_up(running: GameState) -> None:
    state = running
    for _ in range(2):
        state = ask(state, "giveItem", **SOMEBODY, item="wood", amount=3).state
    state = ask(state, "giveItem", **SOMEBODY, item="sword", amount=1, quality="5").state
    assert ask(state, "getPlayerInventory", gameId="2").result == [
        {"code": "wood", "name": "Wood", "amount": 6},
        {"code": "sword", "name": "Sword", "amount": 1, "quality": "5"},
    ]


def test_a_pocket_holds_a_bounded_number_of_different_items(running: GameState) -> None:
    state = running
    for quality in range(MOST_ITEMS):
        state = ask(state, "giveItem", **SOMEBODY, item="wood", quality=str(quality)).state
    with pytest.raises(ActionRefused):
        ask(state, "giveItem", **SOMEBODY, item="wood", quality="one more")
    ask(state, "giveItem", **SOMEBODY, item="wood", quality="0")


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("banPlayer", {**SOMEBODY, "reason": "x" * 10_001}),
        ("kickPlayer", {**SOMEBODY, "reason": "x" * 10_001}),
        ("sendMessage", {"message": "x" * 10_001}),
        ("executeConsoleCommand", {"command": "say " + "x" * 10_000}),
    ],
)
def test_what_is_said_has_a_bound(running: GameState, action: str, args: dict[str, Any]) -> None:
    with pytest.raises(ActionRefused):
        ask(running, action, **args)


def test_a_ban_ends_when_it_expires(running: GameState) -> None:
    later = NOW + timedelta(hours=1)
    banned = ask(running, "banPlayer", **SOMEBODY, reason="spam", expiresAt=later.isoformat()).state
    listed = ask(banned, "listBans").result
    assert [(ban["player"]["gameId"], ban["reason"]) for ban in listed] == [("2", "spam")]
    assert datetime.fromisoformat(listed[0]["expiresAt"]) == later
    assert apply(banned, Action("listBans"), later).result == []
    connect = Action("executeConsoleCommand", {"command": "connectPlayer 2"})
    assert not apply(banned, connect, NOW).result["success"]
    assert apply(banned, connect, later).result["success"]


def test_an_unbanned_player_is_on_no_list(running: GameState) -> None:
    banned = ask(running, "banPlayer", **SOMEBODY).state
    assert ask(ask(banned, "unbanPlayer", gameId="2").state, "listBans").result == []


def test_the_console_answers_with_a_command_result(running: GameState) -> None:
    assert ask(running, "executeConsoleCommand", command="nonsense").result["success"] is False
    said = ask(running, "executeConsoleCommand", command="say hi")
    assert said.result == {"success": True, "rawResult": "Said: hi"}
    assert [event.name for event in said.events] == ["chat-message"]


def test_messages_go_to_all_or_to_one(running: GameState) -> None:
    (to_all,) = ask(running, "sendMessage", message="hi", opts={}).events
    assert to_all.data == {"channel": "global", "msg": "hi"}
    (to_one,) = ask(running, "sendMessage", message="hi", opts={"recipient": {"gameId": "2"}}).events
    assert to_one.data["channel"] == "whisper"
    assert to_one.data["recipient"]["gameId"] == "2"


def test_shutdown_stops_the_server(running: GameState) -> None:
    assert not ask(running, "shutdown").state.running


def test_the_world_can_be_read(running: GameState) -> None:
    assert ask(running, "testReachability").result == {"connectable": True}
    for action in ("listItems", "listEntities", "listLocations"):
        assert all("code" in one for one in ask(running, action).result)
    assert ask(running, "getMapInfo").result["enabled"]
    tile = b64decode(ask(running, "getMapTile", x=1, y=2, z=3).result)
    assert tile.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("giveItem", {**SOMEBODY, "item": "wood", "amount": 0}),
        ("giveItem", {**SOMEBODY, "item": "unobtainium", "amount": 1}),
        ("giveItem", {"player": {"gameId": "9"}, "item": "wood", "amount": 1}),
        ("teleportPlayer", {**SOMEBODY, "x": float("nan"), "y": 0, "z": 0}),
        ("banPlayer", {"player": {"gameId": "9"}}),
        ("banPlayer", {**SOMEBODY, "expiresAt": "tomorrow"}),
        ("getPlayer", {}),
        ("sendMessage", {}),
    ],
)
def test_bad_arguments_are_refused(running: GameState, action: str, args: dict[str, Any]) -> None:
    with pytest.raises(ActionRefused):
        ask(running, action, **args)


def test_every_answer_is_json(running: GameState) -> None:
    for action in ("getPlayers", "listItems", "listEntities", "listLocations", "listBans", "getMapInfo"):
        codec.dumps(ask(running, action).result)

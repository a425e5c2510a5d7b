"""The owner of a server decides who plays on it."""

from hypothesis import given
from hypothesis import strategies as st

from cockpit.game.roster import game_server_id, identity_token, new_game


def test_a_user_meets_the_same_five_players_every_time() -> None:
    assert new_game("ann") == new_game("ann")
    assert game_server_id("ann") == game_server_id("ann")


def test_another_user_has_other_players_and_another_server() -> None:
    ann, ben = new_game("ann"), new_game("ben")
    assert {one.id for one in ann.players}.isdisjoint(one.id for one in ben.players)
    assert {one.steam_id for one in ann.players}.isdisjoint(one.steam_id for one in ben.players)
    assert game_server_id("ann") != game_server_id("ben")


def test_the_identity_token_names_the_user() -> None:
    assert identity_token("ann") == "cockpit-ann"


@given(st.text(min_size=1, max_size=255))
def test_five_players_are_five_different_players(user_id: str) -> None:
    players = new_game(user_id).players
    assert [one.game_id for one in players] == ["1", "2", "3", "4", "5"]
    for key in ("id", "name", "steam_id"):
        assert len({getattr(one, key) for one in players}) == 5
    assert all(len(one.steam_id) == 17 for one in players)
    assert not any(one.online for one in players)

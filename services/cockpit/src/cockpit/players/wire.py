"""Players on the wire."""

from collections.abc import Iterable
from typing import Annotated, NotRequired

from pydantic import StringConstraints
from typing_extensions import TypedDict

from cockpit.game.records import Player
from contracts.cockpit import PlayerId
from servicekit.answers import Body
from servicekit.forms import MetaJson


class SelectPlayerBody(Body):
    """``playerId`` of one of the session's players, or null for none."""

    player_id: Annotated[PlayerId, StringConstraints(min_length=1)] | None


class PlayerJson(TypedDict):
    """A player of a session. ``gameId`` is the id that the game knows."""

    id: str
    name: str
    gameId: str
    online: bool


class PlayersJson(TypedDict):
    """The players of a session's running server."""

    players: list[PlayerJson]
    selectedPlayerId: str | None


class PlayersPageJson(TypedDict):
    """The players, or a page of them. ``meta`` is there when a ``limit`` was asked for."""

    data: PlayersJson
    meta: NotRequired[MetaJson]


class SelectedPlayerJson(TypedDict):
    """Which player is selected now."""

    selectedPlayerId: str | None


def players_json(players: Iterable[Player], selected_player_id: str | None) -> PlayersJson:
    """The players of a session, and which of them is selected."""
    return {
        "players": [
            {"id": one.id, "name": one.name, "gameId": one.game_id, "online": one.online} for one in players
        ],
        "selectedPlayerId": selected_player_id,
    }

"""The game's state as JSON, for its ``jsonb`` column.

Reading ignores unknown fields and fills in missing ones, so that two releases of the service can work on the
same row.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cockpit.game.records import Ban, GameState, Item, Player, Position
from cockpit.game.wire import position_json


def dump(state: GameState) -> dict[str, Any]:
    """``state`` as a JSON object."""
    return {
        "running": state.running,
        "simulating": state.simulating,
        "ticks": state.ticks,
        "players": [_dump_player(player) for player in state.players],
        "bans": [
            {
                "gameId": ban.game_id,
                "reason": ban.reason,
                "expiresAt": ban.expires_at.isoformat() if ban.expires_at else None,
            }
            for ban in state.bans
        ],
    }


def load(snapshot: Mapping[str, Any]) -> GameState:
    """The state that :func:`dump` wrote."""
    return GameState(
        players=tuple(_load_player(player) for player in snapshot["players"]),
        running=snapshot.get("running", False),
        simulating=snapshot.get("simulating", False),
        ticks=snapshot.get("ticks", 0),
        bans=tuple(
            Ban(
                ban["gameId"],
                ban.get("reason"),
                datetime.fromisoformat(ban["expiresAt"]) if ban.get("expiresAt") else None,
            )
            for ban in snapshot.get("bans", ())
        ),
    )


def _dump_player(player: Player) -> dict[str, Any]:
    return {
        "id": player.id,
        "gameId": player.game_id,
        "name": player.name,
        "steamId": player.steam_id,
        "ip": player.ip,
        "ping": player.ping,
        "online": player.online,
        "position": position_json(player.position),
        "inventory": [
            {"code": item.code, "amount": item.amount, "quality": item.quality} for item in player.inventory
        ],
    }


def _load_player(player: Mapping[str, Any]) -> Player:
    position = player["position"]
    return Player(
        id=player["id"],
        game_id=player["gameId"],
        name=player["name"],
        steam_id=player["steamId"],
        ip=player["ip"],
        ping=player["ping"],
        online=player.get("online", False),
        position=Position(
            position["x"], position["y"], position["z"], position.get("dimension", "overworld")
        ),
        inventory=tuple(
            Item(item["code"], item["amount"], item.get("quality")) for item in player.get("inventory", ())
        ),
    )

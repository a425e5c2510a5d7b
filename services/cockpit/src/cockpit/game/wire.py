"""The wire forms of Takaro's game connector: the arguments of its requests, and the JSON of its answers."""

from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from cockpit.game import world
from cockpit.game.records import MOST_OF_AN_ITEM, Ban, CommandResult, Item, Player, Position

Line: TypeAlias = Annotated[str, Field(max_length=10_000)]
"""A reason, a message or a console line. Each is stored, in the game's state or in a session's events."""


class Args(BaseModel):
    """Arguments of a request: camelCase; fields that an action doesn't know are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class PlayerReference(Args):
    game_id: str


class WhomArgs(Args):
    player: PlayerReference


class KickArgs(WhomArgs):
    reason: Line | None = None


class BanArgs(KickArgs):
    """A ban; without ``expires_at`` it is permanent."""

    expires_at: AwareDatetime | None = None


Coordinate: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


class TeleportArgs(WhomArgs):
    x: Coordinate
    y: Coordinate
    z: Coordinate
    dimension: str = Field("overworld", max_length=100)


class GiveArgs(WhomArgs):
    item: str = Field(min_length=1, max_length=100)
    amount: int = Field(1, ge=1, le=MOST_OF_AN_ITEM)
    quality: str | None = Field(None, max_length=100)


class ConsoleArgs(Args):
    command: Line


class Options(Args):
    recipient: PlayerReference | None = None


class MessageArgs(Args):
    message: Line
    opts: Options = Options()


class TileArgs(Args):
    x: int
    y: int
    z: int


def position_json(position: Position) -> dict[str, Any]:
    """``{x, y, z, dimension}``."""
    return {"x": position.x, "y": position.y, "z": position.z, "dimension": position.dimension}


def player_json(player: Player) -> dict[str, Any]:
    """``{gameId, name, steamId, platformId, ip, ping}``."""
    return {
        "gameId": player.game_id,
        "name": player.name,
        "steamId": player.steam_id,
        "platformId": f"mock:{player.steam_id}",
        "ip": player.ip,
        "ping": player.ping,
    }


def item_json(item: Item) -> dict[str, Any]:
    """``{code, name, amount}``, and ``quality`` when it has one."""
    answer = {"code": item.code, "name": world.ITEM_NAMES.get(item.code, item.code), "amount": item.amount}
    return answer | ({"quality": item.quality} if item.quality is not None else {})


def ban_json(ban: Ban, player: Player) -> dict[str, Any]:
    """``{player, reason, expiresAt}``."""
    return {
        "player": player_json(player),
        "reason": ban.reason,
        "expiresAt": ban.expires_at.isoformat() if ban.expires_at else None,
    }


def command_result_json(result: CommandResult) -> dict[str, Any]:
    """``{success, rawResult}``, and ``errorMessage`` if the console refused the line."""
    answer: dict[str, Any] = {"success": result.success, "rawResult": result.raw_result}
    if not result.success:
        answer["errorMessage"] = result.raw_result
    return answer

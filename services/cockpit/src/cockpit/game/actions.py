"""The requests Takaro's connector makes of a game, answered in its wire forms."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from cockpit.game import console, rules, world
from cockpit.game.records import GameState, Item, Outcome, Player, Position
from cockpit.game.rules import Step


class ActionRefused(Exception):
    """The request can't be answered: an unknown action, bad arguments, or nobody of that id."""


class _Args(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class PlayerReference(_Args):
    game_id: str


class _Whom(_Args):
    player: PlayerReference


class _Kick(_Whom):
    reason: str | None = None


class _Ban(_Kick):
    expires_at: AwareDatetime | None = None


Coordinate: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


class _Teleport(_Whom):
    x: Coordinate
    y: Coordinate
    z: Coordinate
    dimension: str = Field("overworld", max_length=100)


class _Give(_Whom):
    item: str = Field(min_length=1, max_length=100)
    amount: int = Field(1, ge=1, le=rules.MOST_OF_AN_ITEM)
    quality: str | None = Field(None, max_length=100)


class _Console(_Args):
    command: str


class _Options(_Args):
    recipient: PlayerReference | None = None


class _Message(_Args):
    message: str
    opts: _Options = _Options()


class _Tile(_Args):
    x: int
    y: int
    z: int


Handler: TypeAlias = Callable[[Step, Mapping[str, Any], datetime], Any]
M = TypeVar("M", bound=BaseModel)


def perform(state: GameState, action: str, args: Mapping[str, Any], now: datetime) -> Outcome:
    """Answer one request; the result is its ``payload`` (``None`` where an action has none).

    ``shutdown`` is left to the machine. Raises :class:`ActionRefused`; the state is then as before.
    """
    handler = ACTIONS.get(action)
    if handler is None:
        raise ActionRefused(f"Unknown action: {action}")
    step = Step(state)
    return step.outcome(handler(step, args, now))


def _parse(model: type[M], args: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(args)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ActionRefused(f"Bad arguments: {field}: {first['msg']}") from error


def _found(step: Step, reference: PlayerReference) -> Player:
    player = _lookup(step, reference)
    if player is None:
        raise ActionRefused(f"Player not found: {reference.game_id}")
    return player


def _lookup(step: Step, reference: PlayerReference) -> Player | None:
    return next((one for one in step.state.players if one.game_id == reference.game_id), None)


def _get_player(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    player = _lookup(step, _parse(PlayerReference, args))
    return player.wire() if player else None


def _get_players(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    return [player.wire() for player in step.state.online()]


def _get_location(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    player = _lookup(step, _parse(PlayerReference, args))
    return player.position.wire() if player else None


def _get_inventory(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    player = _lookup(step, _parse(PlayerReference, args))
    return [_item_wire(item) for item in player.inventory] if player else []


def _item_wire(item: Item) -> dict[str, Any]:
    wire = {"code": item.code, "name": world.ITEM_NAMES.get(item.code, item.code), "amount": item.amount}
    return wire | ({"quality": item.quality} if item.quality is not None else {})


def _give_item(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    given = _parse(_Give, args)
    if given.item not in world.ITEM_NAMES:
        raise ActionRefused(f"Item not found: {given.item}")
    rules.give(step, _found(step, given.player), Item(given.item, given.amount, given.quality))


def _console(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    outcome = console.execute(step.state, _parse(_Console, args).command, now)
    step.state = outcome.state
    step.events.extend(outcome.events)
    return outcome.result.wire()


def _send_message(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    message = _parse(_Message, args)
    if message.opts.recipient:
        rules.whisper(step, message.message, _found(step, message.opts.recipient))
    else:
        rules.say(step, message.message)


def _teleport(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    to = _parse(_Teleport, args)
    rules.teleport(step, _found(step, to.player), Position(to.x, to.y, to.z, to.dimension))


def _kick(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    kick = _parse(_Kick, args)
    rules.kick(step, _found(step, kick.player), kick.reason)


def _ban(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    ban = _parse(_Ban, args)
    rules.ban(step, _found(step, ban.player), ban.reason, ban.expires_at)


def _unban(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    rules.unban(step, _found(step, _parse(PlayerReference, args)))


def _list_bans(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    bans = [ban for ban in step.state.bans if ban.holds(now)]
    players = {player.game_id: player for player in step.state.players}
    return [
        {
            "player": players[ban.game_id].wire(),
            "reason": ban.reason,
            "expiresAt": ban.expires_at.isoformat() if ban.expires_at else None,
        }
        for ban in bans
    ]


def _map_tile(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    tile = _parse(_Tile, args)
    return world.map_tile(tile.x, tile.y, tile.z)


def _constant(answer: Any) -> Handler:
    return lambda step, args, now: answer


ACTIONS: dict[str, Handler] = {
    "getPlayer": _get_player,
    "getPlayers": _get_players,
    "getPlayerLocation": _get_location,
    "getPlayerInventory": _get_inventory,
    "giveItem": _give_item,
    "listItems": _constant(list(world.ITEMS)),
    "listEntities": _constant(list(world.ENTITIES)),
    "listLocations": _constant(list(world.LOCATIONS)),
    "executeConsoleCommand": _console,
    "sendMessage": _send_message,
    "teleportPlayer": _teleport,
    "testReachability": _constant({"connectable": True}),
    "kickPlayer": _kick,
    "banPlayer": _ban,
    "unbanPlayer": _unban,
    "listBans": _list_bans,
    "getMapInfo": _constant(dict(world.MAP_INFO)),
    "getMapTile": _map_tile,
}

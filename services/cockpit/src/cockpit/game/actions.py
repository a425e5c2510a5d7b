"""The requests Takaro's connector makes of a game, answered in its wire forms."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from cockpit.game import console, rules, wire, world
from cockpit.game.records import GameState, Item, Outcome, Player, Position
from cockpit.game.rules import Step


class ActionRefused(Exception):
    """The request can't be answered: an unknown action, bad arguments, or an unknown player."""


Handler: TypeAlias = Callable[[Step, Mapping[str, Any], datetime], Any]
M = TypeVar("M", bound=BaseModel)


def perform(state: GameState, action: str, args: Mapping[str, Any], now: datetime) -> Outcome:
    """Answer one request. Returns its ``payload`` (``None`` if the action has none).

    ``shutdown`` is left to the machine. Raises :class:`ActionRefused`, which leaves the state unchanged.
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


def _found(step: Step, reference: wire.PlayerReference) -> Player:
    player = _lookup(step, reference)
    if player is None:
        raise ActionRefused(f"Player not found: {reference.game_id}")
    return player


def _lookup(step: Step, reference: wire.PlayerReference) -> Player | None:
    return next((one for one in step.state.players if one.game_id == reference.game_id), None)


def _get_player(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    player = _lookup(step, _parse(wire.PlayerReference, args))
    return wire.player_json(player) if player else None


def _get_players(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    return [wire.player_json(player) for player in step.state.online()]


def _get_location(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    player = _lookup(step, _parse(wire.PlayerReference, args))
    return wire.position_json(player.position) if player else None


def _get_inventory(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    player = _lookup(step, _parse(wire.PlayerReference, args))
    return [wire.item_json(item) for item in player.inventory] if player else []


def _give_item(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    given = _parse(wire.GiveArgs, args)
    if given.item not in world.ITEM_NAMES:
        raise ActionRefused(f"Item not found: {given.item}")
    player = _found(step, given.player)
    if not rules.give(step, player, Item(given.item, given.amount, given.quality)):
        raise ActionRefused(f"{player.name} can't carry another item")


def _console(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    outcome = console.execute(step.state, _parse(wire.ConsoleArgs, args).command, now)
    step.state = outcome.state
    step.events.extend(outcome.events)
    return wire.command_result_json(outcome.result)


def _send_message(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    message = _parse(wire.MessageArgs, args)
    if message.opts.recipient:
        rules.whisper(step, message.message, _found(step, message.opts.recipient))
    else:
        rules.say(step, message.message)


def _teleport(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    to = _parse(wire.TeleportArgs, args)
    rules.teleport(step, _found(step, to.player), Position(to.x, to.y, to.z, to.dimension))


def _kick(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    kick = _parse(wire.KickArgs, args)
    rules.kick(step, _found(step, kick.player), kick.reason)


def _ban(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    ban = _parse(wire.BanArgs, args)
    rules.ban(step, _found(step, ban.player), ban.reason, ban.expires_at)


def _unban(step: Step, args: Mapping[str, Any], now: datetime) -> None:
    rules.unban(step, _found(step, _parse(wire.PlayerReference, args)))


def _list_bans(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    bans = [ban for ban in step.state.bans if ban.holds(now)]
    players = {player.game_id: player for player in step.state.players}
    return [wire.ban_json(ban, players[ban.game_id]) for ban in bans]


def _map_tile(step: Step, args: Mapping[str, Any], now: datetime) -> Any:
    tile = _parse(wire.TileArgs, args)
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

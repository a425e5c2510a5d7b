"""The cases: each is a promise of the protocol. A case raises :class:`Broken` if the connector breaks it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from takaro_connector_suite import shapes
from takaro_connector_suite.shapes import Check
from takaro_connector_suite.takaro import Game, RequestFailed, Takaro


class Broken(AssertionError):
    """The connector breaks a promise. The text says which, and how."""


@dataclass(slots=True)
class World:
    """A server that plays Takaro, and how long to wait for the connector."""

    takaro: Takaro
    seconds: float = 30.0
    reconnect_seconds: float = 75.0

    async def until(self, what: str, check: Callable[[], Any], seconds: float | None = None) -> Any:
        """Wait until ``check`` gives something true. Raises :class:`Broken` with ``what``."""
        end = asyncio.get_running_loop().time() + (seconds or self.seconds)
        while not (found := check()):
            if asyncio.get_running_loop().time() > end:
                raise Broken(f"not in time: {what}")
            await asyncio.sleep(0.02)
        return found

    async def game(self, seconds: float | None = None) -> Game:
        """The connector's open, identified connection."""
        games = await self.until("the connector identifies", self.takaro.open_games, seconds)
        found: Game = games[-1]
        return found


Case: TypeAlias = Callable[[World], Awaitable[None]]


def right(what: str, check: Check, value: Any) -> None:
    """Raise :class:`Broken` unless ``value`` has this shape."""
    if wrong := check(value):
        raise Broken(f"{what}: {wrong}")


async def ask(world: World, game: Game, action: str, args: object, check: Check) -> Any:
    """The answer to a request, which must have this shape."""
    try:
        answer = await game.ask(action, args, seconds=world.seconds)
    except RequestFailed as error:
        raise Broken(f"{action} is refused: {error}") from None
    except TimeoutError:
        raise Broken(f"{action} isn't answered") from None
    right(action, check, answer)
    return answer


async def refused(world: World, game: Game, action: str, args: object = None) -> None:
    """The request must be answered by an ``error`` with a message."""
    try:
        await game.ask(action, args, seconds=world.seconds)
    except RequestFailed:
        return
    except TimeoutError:
        raise Broken(f"{action} with {args!r} isn't answered") from None
    raise Broken(f"{action} with {args!r} is answered, not refused")


async def it_identifies_after_the_greeting(world: World) -> None:
    game = await world.game()
    right(
        "identify",
        shapes.shape({"identityToken": shapes.text, "registrationToken": shapes.text}, {"name": shapes.text}),
        world.takaro.identities[-1],
    )
    if game.frames[0].get("type") != "identify":
        raise Broken(f"the first frame is {game.frames[0].get('type')!r}, not identify")


async def actions_that_read_answer_in_their_shapes(world: World) -> None:
    game = await world.game()
    players = await ask(world, game, "getPlayers", None, shapes.list_of(shapes.PLAYER))
    await ask(world, game, "listItems", None, shapes.list_of(shapes.ITEM))
    await ask(world, game, "listEntities", None, shapes.list_of(shapes.any_object))
    await ask(world, game, "listLocations", None, shapes.list_of(shapes.any_object))
    await ask(world, game, "listBans", None, shapes.list_of(shapes.BAN))
    await ask(world, game, "testReachability", None, shapes.REACHABILITY)
    await ask(world, game, "getMapInfo", None, shapes.any_object)
    if players:
        who = {"gameId": players[0]["gameId"]}
        await ask(world, game, "getPlayer", who, shapes.PLAYER)
        await ask(world, game, "getPlayerLocation", who, shapes.optional(shapes.POSITION))
        await ask(world, game, "getPlayerInventory", who, shapes.list_of(shapes.ITEM))


async def a_player_who_is_not_there_is_null(world: World) -> None:
    await ask(world, await world.game(), "getPlayer", {"gameId": "nobody-of-this-id"}, shapes.null)


async def actions_without_a_result_answer_null(world: World) -> None:
    game = await world.game()
    await ask(world, game, "sendMessage", {"message": "hello", "opts": {}}, shapes.null)
    players = await ask(world, game, "getPlayers", None, shapes.list_of(shapes.PLAYER))
    if not players:
        return
    player, whom = players[-1], {"gameId": players[-1]["gameId"]}
    items = await ask(world, game, "listItems", None, shapes.list_of(shapes.ITEM))
    await ask(world, game, "sendMessage", {"message": "psst", "opts": {"recipient": whom}}, shapes.null)
    await ask(world, game, "teleportPlayer", {"player": whom, "x": 1, "y": 2.5, "z": -3}, shapes.null)
    if items:
        given = {"player": whom, "item": items[0]["code"], "amount": 1}
        await ask(world, game, "giveItem", given, shapes.null)
    until = "2999-01-01T00:00:00.000Z"
    await ask(world, game, "banPlayer", {"player": whom, "reason": "why", "expiresAt": until}, shapes.null)
    bans = await ask(world, game, "listBans", None, shapes.list_of(shapes.BAN))
    if player["gameId"] not in [ban["player"]["gameId"] for ban in bans]:
        raise Broken("listBans doesn't have the ban that banPlayer set")
    await ask(world, game, "unbanPlayer", whom, shapes.null)
    if len(players) > 1:
        kicked = {"player": {"gameId": players[0]["gameId"]}, "reason": "why"}
        await ask(world, game, "kickPlayer", kicked, shapes.null)


async def console_commands_have_results(world: World) -> None:
    await ask(
        world,
        await world.game(),
        "executeConsoleCommand",
        {"command": "a command that no game knows"},
        shapes.COMMAND_RESULT,
    )


async def what_can_not_be_done_is_an_error(world: World) -> None:
    game = await world.game()
    await refused(world, game, "noSuchAction")
    await refused(world, game, "teleportPlayer", {"player": {}, "x": "not a number"})
    await refused(world, game, "kickPlayer", ["not an object"])


async def requests_in_flight_are_all_answered(world: World) -> None:
    game = await world.game()
    players = shapes.list_of(shapes.PLAYER)
    await asyncio.gather(*(ask(world, game, "getPlayers", None, players) for _ in range(50)))


async def pings_of_both_kinds_are_answered(world: World) -> None:
    game = await world.game()
    before = game.heartbeats
    await game.send({"type": "ping"})
    await world.until("a ping is answered by a pong", lambda: game.heartbeats > before)
    try:
        async with asyncio.timeout(world.seconds):
            await (await game.socket.ping())
    except TimeoutError:
        raise Broken("a ping of WebSocket's isn't answered") from None


async def malformed_frames_do_no_harm(world: World) -> None:
    game = await world.game()
    deep = "[" * 5_000 + "]" * 5_000
    for frame in ("", "nonsense", "[]", "{}", '{"type": 1}', "null", deep, b"\x00\xff"):
        await game.send_raw(frame)
    await game.send({"type": "request"})
    await game.send({"type": "of a later version", "payload": {}})
    await ask(world, await world.game(), "getPlayers", None, shapes.list_of(shapes.PLAYER))


async def a_huge_frame_does_no_lasting_harm(world: World) -> None:
    game = await world.game()
    await game.send({"type": "request", "requestId": "huge", "payload": {"action": "x" * 10_000_000}})
    await asyncio.sleep(0.5)
    game = await world.game(world.reconnect_seconds)
    await ask(world, game, "getPlayers", None, shapes.list_of(shapes.PLAYER))


async def a_dropped_socket_is_opened_again_with_the_same_identity(world: World) -> None:
    game = await world.game()
    await game.drop()
    again = await world.game(world.reconnect_seconds)
    if again.identity != game.identity:
        raise Broken(f"it was {game.identity!r} and is {again.identity!r} after a reconnection")


async def slow_answers_to_identify_are_waited_for(world: World) -> None:
    world.takaro.slow = 5
    try:
        await (await world.game()).drop()
        await world.game(world.reconnect_seconds)
    finally:
        world.takaro.slow = 0


async def events_have_their_shapes(world: World) -> None:
    await world.game()
    for event in world.takaro.events:
        right("gameEvent", shapes.shape({"type": shapes.text, "data": shapes.any_object}), event.payload)
        if event.type not in shapes.EVENTS:
            raise Broken(f"gameEvent: unknown type {event.type!r}")
        right(event.type, shapes.EVENTS[event.type], event.data)


CASES: tuple[Case, ...] = (
    it_identifies_after_the_greeting,
    actions_that_read_answer_in_their_shapes,
    a_player_who_is_not_there_is_null,
    actions_without_a_result_answer_null,
    console_commands_have_results,
    what_can_not_be_done_is_an_error,
    requests_in_flight_are_all_answered,
    pings_of_both_kinds_are_answered,
    malformed_frames_do_no_harm,
    a_huge_frame_does_no_lasting_harm,
    a_dropped_socket_is_opened_again_with_the_same_identity,
    slow_answers_to_identify_are_waited_for,
    events_have_their_shapes,
)
"""In the order in which they run, all against one running connector."""

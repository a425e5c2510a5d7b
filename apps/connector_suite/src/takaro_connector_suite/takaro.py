"""A server that plays Takaro's connector: it greets, names game servers, asks, and takes their events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

MAX_FRAME_BYTES = 16_000_000


class RequestFailed(Exception):
    """The game answered a request with an ``error``. The text is its message."""


@dataclass(frozen=True, slots=True)
class Event:
    """A ``gameEvent`` that arrived, when (monotonic), and over which connection (a number)."""

    connection: int
    identity: str
    payload: Any
    at: float

    @property
    def type(self) -> str:
        """What happened."""
        return str(self.payload["type"])

    @property
    def data(self) -> Any:
        """The event's data."""
        return self.payload["data"]


@dataclass(slots=True, eq=False)
class Game:
    """One socket of a game server. ``frames`` are all that it sent, decoded, in order."""

    number: int
    socket: ServerConnection
    frames: list[Any] = field(default_factory=list)
    identity: str | None = None
    named: bool = False
    closed: bool = False
    heartbeats: int = 0
    _answers: "dict[str, asyncio.Future[Any]]" = field(default_factory=dict)

    async def send(self, frame: object) -> None:
        """Send any JSON as a frame."""
        await self.socket.send(json.dumps(frame))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send this frame as it is."""
        await self.socket.send(frame)

    async def ask(self, action: str, args: object = None, *, seconds: float = 15) -> Any:
        """Make a request, and return its payload.

        ``args`` is sent as a JSON string; None as ``[]``. Raises :class:`RequestFailed` for an ``error``,
        ``TimeoutError`` without an answer.
        """
        request_id = str(uuid4())
        answer = self._answers[request_id] = asyncio.get_running_loop().create_future()
        payload = {"action": action, "args": [] if args is None else json.dumps(args)}
        try:
            await self.send({"type": "request", "requestId": request_id, "payload": payload})
            async with asyncio.timeout(seconds):
                return await answer
        finally:
            self._answers.pop(request_id, None)

    async def drop(self) -> None:
        """Close the connection without a close frame, as a broken network does."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    def take(self, frame: Any) -> None:
        """Note an answer."""
        answer = self._answers.get(frame.get("requestId") or "")
        if answer is None or answer.done():
            return
        if frame["type"] == "error":
            answer.set_exception(RequestFailed(frame["payload"]["message"]))
        else:
            answer.set_result(frame["payload"])


@dataclass(slots=True)
class Takaro:
    """What it does can be changed while it runs.

    ``token``: the registration token that it accepts; None: any. ``refusal``: with what it refuses every game
    server. ``greets``, ``names``: whether it sends ``connected``, and answers ``identify``; ``slow``: seconds
    before it does.
    """

    url: str = ""
    token: str | None = None
    refusal: Any = None
    greets: bool = True
    names: bool = True
    slow: float = 0
    games: list[Game] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    identities: list[Any] = field(default_factory=list)

    def open_games(self, identity: str | None = None) -> list[Game]:
        """The games that are identified and connected (with this identity)."""
        return [
            game
            for game in self.games
            if game.named and not game.closed and identity in (None, game.identity)
        ]

    def events_of(self, identity: str) -> list[Event]:
        """The events of a game server, in the order in which they arrived."""
        return [event for event in self.events if event.identity == identity]

    @staticmethod
    def game_server_id(identity: str) -> str:
        """The id that it gives a game server: the same one every time."""
        return str(uuid5(NAMESPACE_URL, f"takaro:{identity}"))

    async def handle(self, socket: ServerConnection) -> None:
        """One connection, from its opening to its end."""
        game = Game(len(self.games), socket)
        self.games.append(game)
        try:
            if self.greets:
                await game.send(
                    {"type": "connected", "payload": {"clientId": str(uuid4())}, "requestId": str(uuid4())}
                )
            async for raw in socket:
                frame = json.loads(raw)
                game.frames.append(frame)
                await self._take(game, frame)
        except ConnectionClosed:
            pass
        finally:
            game.closed = True

    async def _take(self, game: Game, frame: Any) -> None:
        match frame["type"]:
            case "identify":
                await self._identify(game, frame["payload"])
            case "gameEvent":
                assert game.identity is not None
                self.events.append(Event(game.number, game.identity, frame["payload"], monotonic()))
            case "response" | "error":
                game.take(frame)
            case "ping":
                await game.send({"type": "pong"})
            case "pong":
                game.heartbeats += 1

    async def _identify(self, game: Game, payload: Any) -> None:
        self.identities.append(payload)
        game.identity = payload["identityToken"]
        if self.slow:
            await asyncio.sleep(self.slow)
        if not self.names:
            return
        refusal = self.refusal
        if refusal is None and self.token not in (None, payload["registrationToken"]):
            refusal = "Invalid registrationToken provided"
        if refusal is not None:
            await game.send({"type": "identifyResponse", "payload": {"error": refusal}})
            return
        game.named = True
        await game.send(
            {"type": "identifyResponse", "payload": {"gameServerId": self.game_server_id(game.identity)}}
        )


@asynccontextmanager
async def play_takaro(port: int = 0, heartbeat_seconds: float = 20) -> AsyncIterator[Takaro]:
    """A Takaro on a port of this machine (0: any free one) for the length of the block.

    It pings each game every ``heartbeat_seconds``, and drops one that doesn't answer in the same time.
    """
    takaro = Takaro()
    async with serve(
        takaro.handle,
        "127.0.0.1",
        port,
        ping_interval=heartbeat_seconds,
        ping_timeout=heartbeat_seconds,
        max_size=MAX_FRAME_BYTES,
        compression=None,
        close_timeout=1,
    ) as server:
        host, bound = next(iter(server.sockets)).getsockname()[:2]
        takaro.url = f"ws://{host}:{bound}/"
        yield takaro

"""What is done to the services and their servers while they work, drawn from a seed."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from takaro_local import process
from tests.chaos.evidence import COMMANDS, GROUP
from tests.chaos.fleet import Chat, Fleet
from tests.chaos.proxy import Proxy
from tests.support.servers import PostgresServer, RedisServer, Server

LEASE_SECONDS = 3.0
_GET_HOLDER = "SELECT owner FROM leases WHERE name = 'consumer:chat.commands:chat' AND expires_at > now()"


@dataclass(slots=True, frozen=True)
class Kill:
    """A process was killed or frozen; ``at`` by the wall clock; ``active`` if it was the consumer."""

    kind: str
    instance: str
    at: float
    active: bool


@dataclass(slots=True)
class Spell:
    """Bad weather, by the wall clock."""

    kind: str
    at: float
    until: float


class Faults:
    """Kills every ``kill_gap`` seconds (from, to), and something worse every ``weather_gap``."""

    def __init__(
        self,
        fleet: Fleet,
        postgres: PostgresServer,
        redis: RedisServer,
        *,
        seed: int,
        kill_gap: tuple[float, float],
        weather_gap: tuple[float, float],
    ) -> None:
        self._fleet, self._postgres, self._redis = fleet, postgres, redis
        self._kill_gap, self._weather_gap = kill_gap, weather_gap
        self._random = random.Random(f"{seed} kills")
        self._sky = random.Random(f"{seed} weather")
        self._later: set[asyncio.Task[None]] = set()
        self._enough = asyncio.Event()
        self.kills: list[Kill] = []
        self.weather: list[Spell] = []

    async def run(self) -> None:
        """Until :meth:`stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill_processes())
            group.create_task(self._make_weather())

    def stop(self) -> None:
        """Begin nothing more: what was begun is done to its end, so that nothing is left half broken."""
        self._enough.set()

    async def clear(self) -> None:
        """After :meth:`run`: nothing is due any more. Processes are the fleet's to wake."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    async def _kill_processes(self) -> None:
        while await self._wait(self._random.uniform(*self._kill_gap)):
            if victim := await self._choose():  # on a slow machine nobody may be up yet
                kind = "freeze" if self._random.random() < 0.3 else "kill"
                active = victim.instance == await self._holder()
                self.kills.append(Kill(kind, victim.instance, time.time(), active))
                if kind == "freeze":
                    victim.freeze()
                    pause = LEASE_SECONDS + self._random.uniform(0.5, 2.5)
                    self._after(pause, lambda v=victim: _thaw(v))  # type: ignore[misc]
                else:
                    await victim.kill()
                    self._after(self._random.uniform(0, 1.5), lambda v=victim: _launch(v))  # type: ignore[misc]

    async def _wait(self, seconds: float) -> bool:
        """Whether to go on after so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), seconds)
        return not self._enough.is_set()

    async def _choose(self) -> Chat | None:
        """Half the time whoever consumes, for that is where it hurts; else anyone who has started."""
        up = [member for member in self._fleet.members if member.runs and await is_up(member)]
        holder = await self._holder()
        active = [member for member in up if member.instance == holder]
        if active and self._random.random() < 0.5:
            return active[0]
        return self._random.choice(up) if up else None

    async def _holder(self) -> str | None:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            connection = await asyncpg.connect(self._postgres.url, timeout=1)
            try:
                return str(await connection.fetchval(_GET_HOLDER, timeout=1))
            finally:
                connection.terminate()
        return None

    async def _make_weather(self) -> None:
        while not self._enough.is_set():
            kinds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
                ("redis killed", lambda: self._restart(self._redis, None)),
                ("redis restarted", lambda: self._restart(self._redis, signal.SIGTERM)),
                ("postgres killed", lambda: self._restart(self._postgres, None)),
                ("postgres stopped at once", lambda: self._restart(self._postgres, signal.SIGQUIT)),
                ("group dropped", self._drop_group),
                ("group dropped", self._drop_group),
                ("network slow", self._slow),
                ("network cut", self._cut),
                ("network silent", self._silent),
            ]
            self._sky.shuffle(kinds)
            for name, happen in kinds:
                if not await self._wait(self._sky.uniform(*self._weather_gap)):
                    return
                spell = Spell(name, time.time(), float("inf"))
                self.weather.append(spell)
                await happen()
                spell.until = time.time()

    async def _restart(self, server: Server, number: signal.Signals | None) -> None:
        if number is not None:
            await asyncio.to_thread(process.end, server.pid, ((number, 10.0),))
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(self._sky.uniform(0, 1.0))
        await _start(server)

    async def _drop_group(self) -> None:
        async with Redis.from_url(self._redis.url, socket_timeout=5) as redis:
            with suppress(RedisError, OSError):
                await redis.xgroup_destroy(COMMANDS, GROUP)

    async def _slow(self) -> None:
        proxies = self._pick_proxies()
        for proxy in proxies:
            proxy.delay_seconds = self._sky.uniform(0.02, 0.3)
        await asyncio.sleep(self._sky.uniform(1, 4))
        for proxy in proxies:
            proxy.delay_seconds = 0

    async def _cut(self) -> None:
        for proxy in self._pick_proxies():
            proxy.cut()

    async def _silent(self) -> None:
        proxies = self._pick_proxies()
        for proxy in proxies:
            proxy.silence()
        await asyncio.sleep(LEASE_SECONDS + self._sky.uniform(-2, 2))
        for proxy in proxies:
            proxy.speak()

    def _proxies(self) -> list[Proxy]:
        return [proxy for links in self._fleet.links for proxy in (links.postgres, links.redis)]

    def _pick_proxies(self) -> Sequence[Proxy]:
        """All of one server's, or those of one process: a partition that splits the fleet."""
        links = self._sky.choice(self._fleet.links)
        return self._sky.choice(
            [
                [each.redis for each in self._fleet.links],
                [each.postgres for each in self._fleet.links],
                [links.redis],
                [links.postgres],
                [links.redis, links.postgres],
            ]
        )

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            action()

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


async def is_up(chat: Chat) -> bool:
    """Whether the process has come so far as to listen."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", chat.port), 0.5)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _thaw(chat: Chat) -> None:
    chat.thaw()


def _launch(chat: Chat) -> None:
    if chat.exit_code is not None:
        chat.launch()


async def _start(server: Server) -> None:
    server.launch()  # in the main thread; the wait may be anywhere
    await asyncio.to_thread(server.wait_ready)

"""What is done to the services and their servers while they work, drawn from a seed."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from takaro_local import process
from tests.proof.fleet import Fleet, Member
from tests.proof.proxy import Proxy
from tests.proof.streams import CONSUMED
from tests.support.servers import PostgresServer, RedisServer, Server
from tests.support.services import ServiceName

How = Literal["kill", "freeze"]
LEASE_SECONDS = 3.0
_LIST_HOLDERS = "SELECT owner FROM leases WHERE name = ANY($1::text[]) AND expires_at > now()"


class Victim(Protocol):
    """A process that is killed, or frozen, and started again under its name."""

    instance: str

    @property
    def exit_code(self) -> int | None: ...

    @property
    def runs(self) -> bool: ...

    def launch(self) -> None: ...

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    async def kill(self) -> int: ...


@dataclass(slots=True, frozen=True)
class Kill:
    """A process was killed or frozen; ``at`` by the wall clock; ``active`` if it consumed a stream.
    ``service`` is ``turns`` for a runtime."""

    kind: str
    service: str
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
    """Kills a process of each service every so many seconds, as its ``kill_gaps`` say (from, to), and injects
    a worse fault every ``weather_gap``."""

    def __init__(
        self,
        fleet: Fleet,
        postgres: PostgresServer,
        redis: RedisServer,
        *,
        seed: int,
        kill_gaps: Mapping[ServiceName, tuple[float, float]],
        weather_gap: tuple[float, float],
    ) -> None:
        self._fleet, self._postgres, self._redis = fleet, postgres, redis
        self._kill_gaps, self._weather_gap = kill_gaps, weather_gap
        self._seed = seed
        self._sky = random.Random(f"{seed} weather")
        self._later: set[asyncio.Task[None]] = set()
        self._enough = asyncio.Event()
        self.kills: list[Kill] = []
        self.weather: list[Spell] = []

    async def run(self, strikes: Callable[[], Coroutine[None, None, None]] | None = None) -> None:
        """Until :meth:`stop`; with ``strikes``, which are others' and end then too."""
        async with asyncio.TaskGroup() as group:
            if strikes is not None:
                group.create_task(strikes())
            for service in self._fleet.services:
                rng = random.Random(f"{self._seed} kills of {service}")
                group.create_task(self._kill_processes(service, rng))
            group.create_task(self._make_weather())

    def stop(self) -> None:
        """Begin nothing more: what was begun is completed, so that nothing stays half broken."""
        self._enough.set()

    async def clear(self) -> None:
        """After :meth:`run`: nothing is due any more. Processes are the fleet's to wake."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    def count_kills(self, service: str) -> int:
        return sum(kill.service == service for kill in self.kills)

    async def _kill_processes(self, service: ServiceName, rng: random.Random) -> None:
        while await self.wait(rng.uniform(*self._kill_gaps[service])):
            holders = await self._holders(service)
            if victim := await self._choose(service, holders, rng):  # on a slow machine nobody may be up yet
                how: How
                if rng.random() < 0.3:
                    how, pause = "freeze", LEASE_SECONDS + rng.uniform(0.5, 2.5)
                else:
                    how, pause = "kill", rng.uniform(0, 1.5)
                await self.hit(service, victim, how, pause, active=victim.instance in holders)

    async def hit(
        self, service: str, victim: Victim, how: How, pause: float, *, active: bool = False
    ) -> None:
        """Kill or freeze a process; after ``pause`` seconds it is launched again, or thawed."""
        self.kills.append(Kill(how, service, victim.instance, time.time(), active))
        if how == "freeze":
            victim.freeze()
            self._after(pause, victim.thaw)
        else:
            await victim.kill()
            self._after(pause, lambda: _launch(victim))

    async def wait(self, seconds: float) -> bool:
        """Whether to go on after so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), seconds)
        return not self._enough.is_set()

    async def _choose(
        self, service: ServiceName, holders: Sequence[str], rng: random.Random
    ) -> Member | None:
        """Half the time a process that consumes, where it hurts most; otherwise any that has started."""
        up = [member for member in self._fleet.of(service) if member.runs and await is_up(member)]
        active = [member for member in up if member.instance in holders]
        if active and rng.random() < 0.5:
            return rng.choice(active)
        return rng.choice(up) if up else None

    async def _holders(self, service: ServiceName) -> Sequence[str]:
        """The processes that consume the service's streams."""
        names = [f"consumer:{stream}:{service}" for stream in CONSUMED[service]]
        # An InternalClientError: its timeout met the answer of a server that had been frozen.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError):
            connection = await asyncpg.connect(self._postgres.url, timeout=1)
            try:
                return [row["owner"] for row in await connection.fetch(_LIST_HOLDERS, names, timeout=1)]
            finally:
                connection.terminate()
        return []

    async def _make_weather(self) -> None:
        while not self._enough.is_set():
            kinds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
                ("redis killed", lambda: self._restart(self._redis, None)),
                ("redis restarted", lambda: self._restart(self._redis, signal.SIGTERM)),
                ("postgres killed", lambda: self._restart(self._postgres, None)),
                ("postgres stopped at once", lambda: self._restart(self._postgres, signal.SIGQUIT)),
                ("groups dropped", self._drop_groups),
                ("groups dropped", self._drop_groups),
                ("network slow", self._slow),
                ("network cut", self._cut),
                ("network silent", self._silent),
            ]
            self._sky.shuffle(kinds)
            for name, happen in kinds:
                if not await self.wait(self._sky.uniform(*self._weather_gap)):
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

    async def _drop_groups(self) -> None:
        """One stream's of each service."""
        async with Redis.from_url(self._redis.url, socket_timeout=5) as redis:
            for service in self._fleet.services:
                with suppress(RedisError, OSError):
                    await redis.xgroup_destroy(self._sky.choice(CONSUMED[service]), service)

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

    def _pick_proxies(self) -> Sequence[Proxy]:
        """All of one server's, or those of one process of each service: a partition that splits the fleet."""
        split = [self._sky.choice(self._fleet.links(service)) for service in self._fleet.services]
        return self._sky.choice(
            [
                [each.redis for each in self._fleet.links()],
                [each.postgres for each in self._fleet.links()],
                [each.redis for each in split],
                [each.postgres for each in split],
                [proxy for each in split for proxy in (each.redis, each.postgres)],
            ]
        )

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            action()

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


async def is_up(member: Member) -> bool:
    """Whether the process has come far enough to listen."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", member.port), 0.5)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _launch(victim: Victim) -> None:
    if victim.exit_code is not None:
        victim.launch()


async def _start(server: Server) -> None:
    server.launch()  # in the main thread; the wait may be anywhere
    await asyncio.to_thread(server.wait_ready)

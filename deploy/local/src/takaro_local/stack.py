"""The local stack: embedded servers, migrations, trace collector and the services."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from takaro_local import addresses, origin, ports
from takaro_local.console import Screen
from takaro_local.data_dir import Children
from takaro_local.postgres import DATABASE, PASSWORD, ROLE, PostgresServer
from takaro_local.server import HOST, Server, ServerError
from takaro_local.service import Program, ending, python_module
from takaro_local.settings import LocalSettings
from takaro_local.valkey_server import RedisServer
from takaro_schema.run import migrate

_KNOWLEDGE_BASES = Path(__file__).parents[2] / "knowledge-bases.yaml"
_DOCS = Path(__file__).parents[4] / "docs"
SERVICES = ("chat", "knowledge", "cockpit")
_SERVER_RETRY_SECONDS = 0.5
_SERVER_POLL_SECONDS = 0.1
#: Extra time for a service to end its process, beyond its own grace period.
_MARGIN_SECONDS = 2.0
#: After this time the stack names each service that isn't ready, with its answer.
_PATIENCE_SECONDS = 15.0


class PortsTakenError(Exception):
    """Ports that the stack needs are in use. The message has one sentence for each."""


class Stack:
    """Starts everything in order, keeps it running, and stops it in the opposite order."""

    def __init__(self, settings: LocalSettings, surroundings: Mapping[str, str], screen: Screen) -> None:
        """``surroundings`` is the environment of the services, to which the stack adds its own settings."""
        self._settings = settings
        self._screen = screen
        self._sources = settings.data_dir / "sources"
        self._children = Children(settings.data_dir)
        self._postgres = (
            None
            if settings.database_url
            else PostgresServer(settings.data_dir / "postgres", settings.postgres_port)
        )
        self._redis = (
            None if settings.redis_url else RedisServer(settings.data_dir / "redis", settings.redis_port)
        )
        self._collector = (
            None
            if settings.otel_exporter_otlp_endpoint
            else Program(
                "traces",
                python_module("takaro_local.collector"),
                settings.otlp_port,
                surroundings,
                ready_path="/health",
            )
        )
        self._origin = origin.program(settings, surroundings)
        environment = self._service_environment(surroundings)
        self._services = [
            Program(
                name,
                python_module(name),
                getattr(settings, f"{name}_port"),
                environment | {"INSTANCE_NAME": f"{name}-1"},
            )
            for name in SERVICES
        ]
        self._keepers: dict[str, asyncio.Task[None]] = {}

    @property
    def database_url(self) -> str:
        """The URL of the services' Postgres."""
        return self._postgres.url if self._postgres else str(self._settings.database_url)

    @property
    def redis_url(self) -> str:
        """The URL of the services' Redis."""
        return self._redis.url if self._redis else str(self._settings.redis_url)

    async def start(self) -> None:
        """Start everything. Returns when every service is ready.

        Raises PortsTakenError, ServerError, RefusedError, or a MigrationError; call ``stop`` afterwards in
        these cases too.
        """
        began = time.monotonic()
        if orphans := await asyncio.to_thread(self._children.end_orphans):
            self._screen.say(f"ended {len(orphans)} processes that an earlier stack left behind", "yellow")
        if problems := ports.conflicts(self._wanted_ports()):
            raise PortsTakenError("\n".join(problems))
        self._sources.mkdir(parents=True, exist_ok=True)
        addresses.write(self._settings.data_dir, self._addresses)
        await self._start_servers()
        with self._timed("migrated"):
            await asyncio.to_thread(migrate, self.database_url, report=self._screen.say)
        for program in self._programs:
            self._keep(program.name, program.keep_running(self._screen, self._children))
        await asyncio.gather(*(self._until_ready(program) for program in self._programs))
        title = f"Ready in {time.monotonic() - began:.1f} s. Open {self._origin.url} · Ctrl-C stops it."
        self._screen.table(title, self._rows())

    async def until_refused(self) -> None:
        """Wait until a program that ran before doesn't start again with its settings: raises RefusedError."""
        keepers = [self._keepers[program.name] for program in self._programs]
        ended, _ = await asyncio.wait(keepers, return_when=asyncio.FIRST_COMPLETED)
        for keeper in ended:
            await keeper

    async def stop(self) -> None:
        """Stop the services first, so that they can finish; then proxy and collector; then the servers."""
        await self._stop_programs(self._services)
        await self._stop_programs([program for program in self._programs if program not in self._services])
        for name in list(self._keepers):
            await self._drop(name)
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in self._servers))

    def kill(self) -> None:
        """End everything at once."""
        for program in self._programs:
            program.kill()
        for server in self._servers:
            server.kill()

    @property
    def _servers(self) -> Sequence[Server]:
        return [server for server in (self._postgres, self._redis) if server]

    @property
    def _programs(self) -> Sequence[Program]:
        return [*([self._collector] if self._collector else []), *self._services, self._origin]

    def _wanted_ports(self) -> dict[str, int]:
        wanted = {f"{server.name}_PORT".upper(): server.port for server in self._servers}
        wanted |= {
            f"{program.name}_PORT".upper(): program.port for program in (*self._services, self._origin)
        }
        return wanted | ({"OTLP_PORT": self._collector.port} if self._collector else {})

    def _service_environment(self, surroundings: Mapping[str, str]) -> dict[str, str]:
        defaults = {
            "AUTH_MODE": "dev",
            "EMBEDDINGS_PROVIDER": "local",
            "PYTHONUNBUFFERED": "1",
            # Export spans twice a second, because people look at a trace right after the request.
            "OTEL_BSP_SCHEDULE_DELAY": "500",
        }
        if _KNOWLEDGE_BASES.exists():  # a checkout, not an installed package
            defaults["KNOWLEDGE_BASES_FILE"] = str(_KNOWLEDGE_BASES)
        roots = [self._sources, *([_DOCS] if _DOCS.is_dir() else [])]
        defaults["LOCAL_SOURCES_ROOT"] = ":".join(map(str, roots))
        settled = {"HOST": HOST, "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        settled |= {f"{name}_PORT".upper(): str(getattr(self._settings, f"{name}_port")) for name in SERVICES}
        if self._collector:
            settled["OTEL_EXPORTER_OTLP_ENDPOINT"] = self._collector.url
        return defaults | dict(surroundings) | settled

    @property
    def _addresses(self) -> dict[str, str]:
        """What clients need: see :mod:`takaro_local.addresses`."""
        found = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        if self._collector:
            found["OTLP_PORT"] = str(self._collector.port)
        programs = (*self._services, self._origin)
        return found | {f"{program.name}_PORT".upper(): str(program.port) for program in programs}

    async def _start_servers(self) -> None:
        with self._timed("servers are up"):
            await asyncio.gather(*(asyncio.to_thread(server.prepare) for server in self._servers))
            for server in self._servers:  # not in a worker thread: see process.guarded
                self._launch(server)
            await asyncio.gather(*(asyncio.to_thread(server.wait_ready) for server in self._servers))
        for server in self._servers:
            self._keep(server.name, self._keep_server(server))

    def _launch(self, server: Server) -> None:
        server.launch()
        self._children.add(server.pid)

    async def _keep_server(self, server: Server) -> None:
        while True:
            await asyncio.sleep(_SERVER_POLL_SECONDS)
            if server.exit_code is None:
                continue
            self._screen.say(f"{server.name} {ending(server.exit_code)}; starting it again", "bold yellow")
            await asyncio.sleep(_SERVER_RETRY_SECONDS)
            self._launch(server)
            try:
                await asyncio.to_thread(server.wait_ready)
            except ServerError as error:
                self._screen.say(str(error), "red")
            else:
                self._screen.say(f"{server.name} is up again", "green")

    async def _stop_programs(self, programs: Sequence[Program]) -> None:
        """Stop their keepers first, or they would restart the services."""
        await asyncio.gather(*(self._drop(program.name) for program in programs))
        grace = self._settings.shutdown_grace_seconds + _MARGIN_SECONDS
        await asyncio.gather(*(program.stop(grace) for program in programs))

    def _keep(self, name: str, keeping: Coroutine[None, None, None]) -> None:
        self._keepers[name] = asyncio.create_task(keeping)

    async def _drop(self, name: str) -> None:
        if keeper := self._keepers.pop(name, None):
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _until_ready(self, program: Program) -> None:
        ready = asyncio.create_task(program.until_ready())
        waited_for = {ready, self._keepers[program.name]}
        first = asyncio.FIRST_COMPLETED
        try:
            while not (await asyncio.wait(waited_for, timeout=_PATIENCE_SECONDS, return_when=first))[0]:
                self._screen.say(f"still waiting for {program.name}: {program.last_answer}", "yellow")
            # The keeper ends only by raising why the program isn't kept any longer.
            await (ready if ready.done() else self._keepers[program.name])
        finally:
            ready.cancel()

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("origin", f"{self._origin.url}   {origin.what_is_there(self._settings)}")]
        rows.append(
            ("play", f"{self._origin.url}/play   a mock game server, its players, console and events")
        )
        rows += [(program.name, f"{program.url}   docs: /docs /asyncapi") for program in self._services]
        if self._postgres:
            psql = f"PGPASSWORD={PASSWORD} psql -h localhost -p {self._postgres.port} -U {ROLE} -d {DATABASE}"
            rows.append(("postgres", psql))
        if self._redis:
            rows.append(("redis", f"redis-cli -p {self._redis.port}"))
        if self._collector:
            rows.append(("traces", f"{self._collector.url}/traces"))
        rows.append(("data", f"{self._settings.data_dir}   delete it to start again with no data"))
        rows.append(("clients", "./takaro --help   make psql   make redis-cli"))
        return rows

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._screen.say(f"{what} in {time.monotonic() - began:.1f} s")

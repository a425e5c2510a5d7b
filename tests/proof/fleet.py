"""Several processes of each service, each under its own name, to be killed, frozen and started again."""

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.proof.proxy import Proxy
from tests.support.servers import PostgresServer, RedisServer
from tests.support.services import Service, ServiceName
from tests.support.wait import eventually

ROOT = Path(__file__).parents[2]


class Member(Service):
    """``python -m chat``, or the same with mechanisms switched off (:mod:`tests.proof.launch`)."""

    def __init__(
        self,
        name: ServiceName,
        instance: str,
        *,
        database_url: str,
        redis_url: str,
        folder: Path,
        without: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        anew: bool = False,
    ) -> None:
        # The launcher that switches mechanisms off is found from the repository's root.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        extra = {"RETRY_BACKOFF_MAX_SECONDS": "2", "PYTHONPATH": path, **(environment or {})}
        super().__init__(
            name,
            database_url=database_url,
            redis_url=redis_url,
            folder=folder,
            instance=instance,
            environment=extra,
            anew=anew,
        )
        if without:
            self.module = "tests.proof.launch"
            self.arguments = (name, *(word for name in without for word in ("--without", name)))
        self.frozen = False
        self.launches = 0

    def launch(self) -> None:
        """Start the process and don't wait."""
        self.launches += 1
        super().launch()

    @property
    def runs(self) -> bool:
        """Whether the process is there and not frozen."""
        return self._child is not None and self.exit_code is None and not self.frozen

    def freeze(self) -> None:
        self.frozen = True
        self.pause()

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            if self.exit_code is None:
                self.resume()

    def count_logged(self, event: str, field: str | None = None) -> int:
        """How often it logged ``event``, or the sum of a number in those lines, over all its lives."""
        lines = [line for line in self.logs() if line.get("event") == event]
        return len(lines) if field is None else sum(int(line.get(field, 0)) for line in lines)


@dataclass(slots=True)
class Links:
    """The network between one process and its servers."""

    postgres: Proxy
    redis: Proxy


class Fleet:
    """The processes of a run, each behind its own network; an async context manager."""

    def __init__(
        self,
        sizes: Mapping[ServiceName, int],
        *,
        postgres: PostgresServer,
        redis: RedisServer,
        folder: Path,
        without: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``sizes``: how many processes of each service; ``environment`` is set for all of them."""
        self._links: dict[str, Links] = {}
        self.members: list[Member] = []
        for service, size in sizes.items():
            for number in range(1, size + 1):
                instance = f"{service}-{number}"
                self._links[instance] = links = Links(Proxy(postgres.port), Proxy(redis.port))
                self.members.append(
                    Member(
                        service,
                        instance,
                        database_url=postgres.url.replace(f":{postgres.port}/", f":{links.postgres.port}/"),
                        redis_url=f"redis://127.0.0.1:{links.redis.port}",
                        folder=folder,
                        without=without,
                        environment=environment,
                        anew=True,
                    )
                )
        self.services: Sequence[ServiceName] = [service for service, size in sizes.items() if size]
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for links in self.links():
            await self._open.enter_async_context(links.postgres)
            await self._open.enter_async_context(links.redis)
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(member.kill() for member in self.members if member.launches))
        await self._open.aclose()

    def of(self, service: ServiceName) -> list[Member]:
        """The processes of one service."""
        return [member for member in self.members if member.name == service]

    def links(self, service: ServiceName | None = None) -> list[Links]:
        """The networks of one service's processes, or of all."""
        return [self._links[m.instance] for m in self.members if service in (None, m.name)]

    async def someone(self, service: ServiceName, rng: random.Random) -> str:
        """The URL of a running process of the service, even if it doesn't answer yet."""
        running = await eventually(lambda: [m for m in self.of(service) if m.runs], timeout=60)
        return rng.choice(running).url

    async def ready(self, *, timeout: float = 90) -> None:
        """Wait until every member answers that it is ready; those that ended or froze are woken."""
        for member in self.members:
            member.thaw()
            if not member.runs:
                member.launch()
        deadline = time.monotonic() + timeout
        for member in self.members:
            async with member.client() as client:
                left = max(1.0, deadline - time.monotonic())
                await eventually(lambda m=member, c=client: m._is_ready(c), timeout=left)  # type: ignore[misc]

    def count_redeliveries(self, service: ServiceName) -> int:
        """Entries that the service's processes took over from one another, or from themselves before."""
        return sum(member.count_logged("drained", "count") for member in self.of(service))

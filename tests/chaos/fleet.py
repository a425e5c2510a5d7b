"""Several chat processes, each under its own name, that can be killed, frozen and started again."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.chaos.proxy import Proxy
from tests.support.servers import PostgresServer, RedisServer
from tests.support.services import Service
from tests.support.wait import eventually

ROOT = Path(__file__).parents[2]


class Chat(Service):
    """``python -m chat``, or the same with mechanisms switched off (:mod:`tests.chaos.sabotage`)."""

    def __init__(
        self,
        instance: str,
        *,
        database_url: str,
        redis_url: str,
        folder: Path,
        without: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        anew: bool = False,
    ) -> None:
        # The launcher that switches mechanisms off is found from the repository's root.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        extra = {"RETRY_BACKOFF_MAX_SECONDS": "2", "PYTHONPATH": path, **(environment or {})}
        super().__init__(
            "chat",
            database_url=database_url,
            redis_url=redis_url,
            folder=folder,
            instance=instance,
            environment=extra,
            anew=anew,
        )
        if without:
            self.module = "tests.chaos.sabotage"
            self.arguments = ("chat", *(word for name in without for word in ("--without", name)))
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
    """The chat processes of a run, each behind a network of its own; an async context manager."""

    def __init__(
        self,
        size: int,
        *,
        postgres: PostgresServer,
        redis: RedisServer,
        folder: Path,
        without: tuple[str, ...] = (),
    ) -> None:
        self.links = [Links(Proxy(postgres.port), Proxy(redis.port)) for _ in range(size)]
        self.members = [
            Chat(
                f"chat-{number}",
                database_url=postgres.url.replace(f":{postgres.port}/", f":{links.postgres.port}/"),
                redis_url=f"redis://127.0.0.1:{links.redis.port}",
                folder=folder,
                without=without,
                anew=True,
            )
            for number, links in enumerate(self.links, 1)
        ]
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for links in self.links:
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

    async def ready(self, *, timeout: float = 60) -> None:
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

    def count_logged(self, event: str, field: str | None = None) -> int:
        """As :meth:`Chat.count_logged`, over all members."""
        return sum(member.count_logged(event, field) for member in self.members)

"""The bus as a runtime uses it: facts that its group hasn't handled, and commands."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from socket import gethostname
from typing import Protocol

from takaro_agent_client.events import Fact, Outgoing

FACTS = "chat.events"


class Bus(Protocol):
    """What a runtime needs of a bus. An outage is waited for, not raised."""

    def facts(self) -> AsyncGenerator[Fact | None, None]:
        """Facts of chat as they come, ``None`` when nothing new came. One is handled when the next one is
        asked for; those that weren't handled come again, here or to another process of the group."""

    async def publish(self, commands: Sequence[Outgoing]) -> None:
        """Append commands. Raises :class:`ConnectionFailed`."""


def connect(url: str, *, group: str, name: str | None = None) -> AbstractAsyncContextManager[Bus]:
    """The bus at ``redis://…`` (the extra ``redis``) or ``kafka://…`` (``kafka``).

    The processes of ``group`` share the facts among them; give the runtimes of one agent the same one.
    ``name`` tells them apart, and stays the same after a restart; by default the machine's name.
    """
    scheme, _, address = url.partition("://")
    if scheme == "kafka":
        from takaro_agent_client.runtime.kafka_bus import connect_kafka

        return connect_kafka(address, group=group)
    if scheme in ("redis", "rediss", "unix"):
        from takaro_agent_client.runtime.redis_bus import connect_redis

        return connect_redis(url, group=group, name=name or gethostname())
    raise ValueError(f"{scheme}:// is no bus: give redis://, rediss:// or kafka://")

"""Redis clients that follow a fail-over and encode commands with hiredis.

redis-py always decodes with hiredis, but its asyncio connections encode in Python, at five times the CPU.
"""

from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ReadOnlyError

_pack: Callable[..., list[bytes]] = HiredisRespSerializer().pack


def following(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """A subclass of ``base`` that closes when its server turns out to be read-only. The next connection goes
    to wherever the address leads now, as redis-py does behind Sentinel."""

    class Following(base):  # type: ignore[valid-type,misc]
        def pack_command(self, *args: Any) -> list[bytes]:
            return _pack(*args)

        def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
            return [b"".join(part for command in commands for part in _pack(*command))]

        async def read_response(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await super().read_response(*args, **kwargs)
            except ReadOnlyError as error:
                await self.disconnect()
                raise Disconnected("the server is a replica now") from error

    return Following


def connection_of(url: str) -> type[AbstractConnection]:
    """The connection class for ``url`` (TCP, TLS, a Unix socket) that follows a fail-over."""
    return following(parse_url(url).get("connection_class", Connection))


def open_redis(url: str, *, decode_responses: bool = False) -> Redis:
    """A client that its owner closes. It answers in bytes unless told to decode."""
    client: Redis = Redis.from_url(url, decode_responses=decode_responses, health_check_interval=15)
    client.connection_pool.connection_class = connection_of(url)
    return client

"""Connects only to allowed addresses: the address that was checked is the address that is dialled.

A name is resolved once, every address it has is checked, and the socket is opened to one of these addresses.
A name server that answers differently the next time (DNS rebinding) changes nothing. TLS and ``Host`` still
use the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import httpcore
import httpx

from common.errors import Forbidden
from knowledge.web.public_addresses import is_public
from servicekit.tls import trusted_certificates

_RESOLVERS = ThreadPoolExecutor(32, thread_name_prefix="resolve")
"""Separate threads: a silent name server blocks no thread that reads files."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name. Raises ``OSError`` if it has none."""


class AddressRefused(Forbidden):
    """A host has an address that users' sources may not reach."""

    default_code = "source_address_refused"


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's resolver."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def checked_addresses(
    host: str, port: int, resolver: Resolve, allowed: Callable[[str], bool] = is_public
) -> Sequence[str]:
    """The addresses of ``host``, all of them allowed. Raises :class:`AddressRefused` if any isn't: a public
    name with a private address beside the public one is an attack or a mistake."""
    addresses = await resolver(host, port)
    if not addresses:
        raise OSError(f"{host} has no address")
    for address in addresses:
        if not allowed(address):
            raise AddressRefused(
                f"{host} is at {address}, which isn't a public address; "
                "an operator can list the host in SOURCE_ALLOWED_HOSTS"
            )
    return addresses


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens sockets to checked addresses only."""

    def __init__(self, resolver: Resolve, allowed: Callable[[str], bool] = is_public) -> None:
        self._resolver, self._allowed = resolver, allowed
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await checked_addresses(host, port, self._resolver, self._allowed)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        problem: Exception | None = None
        for address in addresses:
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise httpcore.ConnectError(f"{host}: {problem}") from problem

    async def sleep(self, seconds: float) -> None:
        await self._sockets.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx over :class:`GuardedBackend`. Without a proxy: that would resolve names itself, and reach any
    address it can."""

    def __init__(self, resolver: Resolve = resolve, allowed: Callable[[str], bool] = is_public) -> None:
        super().__init__(verify=trusted_certificates())
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted_certificates(),
            max_connections=None,  # syncs are counted by site: silent ones must not use up a shared limit
            max_keepalive_connections=20,
            keepalive_expiry=5,
            network_backend=GuardedBackend(resolver, allowed),
        )

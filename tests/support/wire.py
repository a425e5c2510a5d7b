"""A connection to a service that a test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """Relays to a service on a port of its own, until it is cut."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        mine = {writer, back}
        self._open |= mine
        await asyncio.gather(_copy(reader, back), _copy(there, writer), return_exceptions=True)
        self._open -= mine

    def cut(self) -> int:
        """Break all connections. Returns how many ends they had."""
        for writer in self._open:
            writer.transport.abort()
        return len(self._open)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A relay to the service, until the end."""
    wire = Wire(url)
    server = await asyncio.start_server(wire.relay, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        wire.cut()

"""A TCP connection on which a test sends what no client library would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from common import codec
from tests.support.origin import Origin
from tests.support.services import Service


@dataclass(slots=True, frozen=True)
class RawAnswer:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return codec.loads(self.body)


class RawConnection:
    """One connection; ``answer`` reads one answer, ``rest`` all that comes until the server closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, service: Service | Origin) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", service.port, limit=2**20))

    async def send(self, data: bytes) -> None:
        """Returns when the system has taken all of it."""
        self._writer.write(data)
        await self._writer.drain()

    async def drip(self, data: bytes, pause_seconds: float = 0.2) -> None:
        """Send ``data`` again and again until the server has closed the connection."""
        with suppress(ConnectionError):
            while not self._reader.at_eof():
                await self.send(data)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._reader.read(2**16), pause_seconds)

    def end_sending(self) -> None:
        """Close our side only."""
        self._writer.write_eof()

    async def answer(self) -> RawAnswer:
        """The next answer, whole."""
        async with asyncio.timeout(60):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            status = int(head[0].split(" ")[1])
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            length = int(headers.get("content-length", 0))
            return RawAnswer(status, headers, await self._reader.readexactly(length))

    async def some(self) -> bytes:
        """The next bytes, or none at the end."""
        return await self._reader.read(2**16)

    async def rest(self) -> bytes:
        """All that comes until the server ends the connection, also by a reset."""
        received = bytearray()
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                while data := await self._reader.read(2**16):
                    received += data
        return bytes(received)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def connected(service: Service) -> AsyncIterator[RawConnection]:
    connection = await RawConnection.open(service)
    try:
        yield connection
    finally:
        await connection.close()


def request(line: str, *headers: str, user: str | None = "ann", body: bytes = b"") -> bytes:
    """A request's bytes. ``body`` comes as it is; its headers are the caller's business."""
    who = [f"X-User-Id: {user}"] if user else []
    return "\r\n".join([f"{line} HTTP/1.1", "Host: test", *who, *headers, "", ""]).encode() + body

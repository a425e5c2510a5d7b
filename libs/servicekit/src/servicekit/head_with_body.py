"""Sends the head of an answer together with its body.

uvicorn writes them one after the other, and each write is a system call that wakes the client: more than a
quarter of the process's time for an answer of 20 messages (measured).
"""

import asyncio
from collections.abc import Iterable
from typing import Any


class HeadWithBody:
    """A transport that keeps the head of an answer back until more is written, at the latest until the loop's
    next round: an event stream has nothing to say at first.

    It does what uvicorn and :class:`servicekit.connections.LimitedConnection` need of a transport.
    """

    __slots__ = ("_flushing", "_head", "_loop", "_transport", "abort", "get_extra_info", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head: bytes | None = None
        self._flushing: asyncio.Handle | None = None
        self.abort = transport.abort
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send ``data``, and before it the head that was kept back."""
        if self._head is not None:
            head = self._take()
            self._transport.writelines((head, data) if data else (head,))
        elif data.endswith(b"\r\n\r\n") and data.startswith(b"HTTP/"):
            self._head = data
            self._flushing = self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def writelines(self, data: Iterable[bytes]) -> None:
        """Send all of ``data``."""
        self.write(b"".join(data))

    def close(self) -> None:
        """Close when all is sent."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Close the sending half when all is sent."""
        self._flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """How many bytes the client hasn't taken."""
        return self._transport.get_write_buffer_size() + len(self._head or b"")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._head is not None:
            self._transport.write(self._take())

    def _take(self) -> bytes:
        head, self._head = self._head, None
        assert head is not None
        assert self._flushing is not None
        self._flushing.cancel()
        self._flushing = None
        return head

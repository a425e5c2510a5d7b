"""The WebSocket of one mock server: it writes nothing once its process may have lost the lease."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect

from cockpit.connector.protocol import MAX_FRAME_BYTES
from servicekit.tls import trusted_certificates

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
"""Longest wait for the other side to answer the close frame."""

LOOK_SECONDS = 1.0
"""Time between two looks whether a socket on which nothing moves may still be open."""

_QUIET = logging.getLogger("takaro.connector.websockets")
_QUIET.setLevel(logging.CRITICAL + 1)
"""The library writes frames to its debug log, the registration token among them, and logs what we handle."""


class FencedConnection(ClientConnection):
    """A connection that drops its transport instead of writing once ``may_write`` says no.

    The library answers pings and close frames by itself, in the same step in which it reads them. A process
    that was frozen reads first when it goes on, so the check stands where bytes leave, not in the code that
    sends. It is made each second too, so a quiet socket doesn't stay open.

    The library waits without an end for the other side to take what is written, its own pings included, and
    answers pings meanwhile into a buffer that grows. So nothing is read while the other side takes nothing,
    and after the time limit of a ping the transport is dropped.
    """

    def __init__(self, *args: Any, may_write: Callable[[], bool], **options: Any) -> None:
        super().__init__(*args, **options)
        self._may_write = may_write
        self._look: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look whether it may still be open."""
        super().connection_made(transport)
        self.recv_messages.resume = self._read_on
        self.drop_when_fenced()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        for timer in (self._look, self._patience):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side takes nothing: read nothing, and don't wait for ever."""
        super().pause_writing()
        self.transport.pause_reading()
        if self.ping_timeout is not None:
            self._patience = self.loop.call_later(self.ping_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken nearly everything."""
        super().resume_writing()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """Read what arrived, and answer it if that is still this process's business."""
        if self._may_write():
            super().data_received(data)
        else:
            self.transport.abort()

    def send_data(self) -> None:
        """Write what is to be sent, or drop the transport."""
        if self._may_write():
            super().send_data()
        else:
            self.protocol.data_to_send()
            self.transport.abort()

    def drop_when_fenced(self) -> None:
        """Drop the transport if nothing may be written any more; otherwise look again in a second."""
        if self._may_write():
            self._look = self.loop.call_later(LOOK_SECONDS, self.drop_when_fenced)
        else:
            self.transport.abort()

    def _read_on(self) -> None:
        """Read, unless the other side takes nothing or messages wait to be handled."""
        if not (self.paused or self.recv_messages.paused):
            self.transport.resume_reading()


class _Connect(connect):
    """Connects to the address that the operator set, and to no other: a redirection is an error."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """The error itself: nobody is followed elsewhere with a registration token."""
        return exc


async def open_socket(url: str, heartbeat_seconds: float, may_write: Callable[[], bool]) -> ClientConnection:
    """A connection to Takaro. Close it with :func:`close_socket`.

    It answers pings, sends its own, and fails if one stays unanswered. It isn't compressed: contexts for that
    take ten times the memory of everything else. Raises ``OSError``, ``TimeoutError`` or
    ``websockets.WebSocketException``.
    """
    return await _Connect(
        url,
        create_connection=cast("type[ClientConnection]", partial(FencedConnection, may_write=may_write)),
        ssl=trusted_certificates() if url.startswith("wss:") else None,
        compression=None,
        open_timeout=OPEN_SECONDS,
        close_timeout=CLOSE_SECONDS,
        ping_interval=heartbeat_seconds,
        ping_timeout=heartbeat_seconds,
        max_size=MAX_FRAME_BYTES,
        max_queue=4,
        logger=_QUIET,
    )


async def close_socket(connection: ClientConnection) -> None:
    """Close the connection, in :data:`CLOSE_SECONDS` at most."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
    except TimeoutError:
        pass
    finally:
        connection.transport.abort()

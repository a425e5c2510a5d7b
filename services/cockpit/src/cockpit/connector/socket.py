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

_QUIET = logging.getLogger("takaro.connector.websockets")
_QUIET.setLevel(logging.CRITICAL + 1)
"""The library writes frames to its debug log, the registration token among them, and logs what we handle."""


class FencedConnection(ClientConnection):
    """A connection that drops its transport instead of writing once ``may_write`` says no.

    The library answers pings and close frames by itself, in the same step in which it reads them. A process
    that was frozen reads first when it goes on, so the check stands where bytes leave, not in the code that
    sends.
    """

    def __init__(self, *args: Any, may_write: Callable[[], bool], **options: Any) -> None:
        super().__init__(*args, **options)
        self._may_write = may_write

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

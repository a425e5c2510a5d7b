"""What keeps a process from writing into a socket that another one may hold."""

from websockets.asyncio.client import ClientConnection

from cockpit.connector.socket import FencedConnection
from tests.support.without.patch import Patch


def check_before_writing(patch: Patch) -> None:
    """A socket writes and answers whether or not the lease may have expired."""
    patch.setattr(FencedConnection, "send_data", ClientConnection.send_data)
    patch.setattr(FencedConnection, "data_received", ClientConnection.data_received)
    patch.setattr(FencedConnection, "drop_when_fenced", lambda _: None)

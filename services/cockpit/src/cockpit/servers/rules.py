"""When a simulation takes its next step, and what a server's status is. No I/O."""

from datetime import datetime, timedelta

from cockpit.servers.records import GameServer
from cockpit.sessions.records import ServerStatus


def next_tick(server: GameServer) -> datetime | None:
    """When the simulation of ``server`` takes its next step: as planned, else now; never while it is off."""
    return (server.next_tick_at or server.now) if server.state.simulating else None


def tick_after(server: GameServer, interval: timedelta) -> datetime | None:
    """When the simulation of ``server`` takes its next step after one taken now; never once it is off."""
    return server.now + interval if server.state.simulating else None


def current_status(server: GameServer) -> ServerStatus:
    """The status of a server that isn't stopped. Nobody is online once it is stopping."""
    online = len(server.state.online()) if server.state.running else 0
    return ServerStatus(server.status, server.named(), online)

"""Find free ports, and the processes that use the others."""

import random
import socket
from collections.abc import Mapping

import psutil

from takaro_local.server import HOST

#: Below the range of outgoing connections, so that a server can get its port back after a restart.
_FREE_RANGE = (20000, 32000)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A random free port; the caller should listen on it soon."""
    while not is_free(port := random.randint(*_FREE_RANGE)):
        pass
    return port


def holder(port: int) -> str | None:
    """The process that listens on the port, as ``name (pid 123)``; None if the system doesn't say."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or connection.pid is None:
            continue
        if connection.laddr and connection.laddr.port == port:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None


def conflicts(wanted: Mapping[str, int]) -> list[str]:
    """Conflicts of these settings (name → port), one sentence each; empty if all ports can be used."""
    problems = []
    taken_by: dict[int, str] = {}
    for setting, port in wanted.items():
        if port in taken_by:
            problems.append(
                f"{setting} and {taken_by[port]} are both {port}: set one of them to another port"
            )
        elif not is_free(port):
            who = holder(port) or "a process that this user can't see"
            problems.append(
                f"port {port} ({setting}) is taken by {who}: stop it, or set {setting} to a free port"
            )
        taken_by.setdefault(port, setting)
    return problems

"""Servers that a test may kill, freeze and restart: on their own port and data."""

from takaro_local.ports import free_port
from takaro_local.postgres import PostgresServer
from takaro_local.server import Server
from takaro_local.valkey_server import RedisServer

__all__ = ["PostgresServer", "RedisServer", "Server", "free_port"]

"""A client of Takaro's agent services: typed, sync and async.

``Client`` and ``AsyncClient`` send what :mod:`takaro_agent_client.operations` makes.
"""

from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.errors import (
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    Refused,
    TooLarge,
    TooMany,
    Unavailable,
)
from takaro_agent_client.flows import Unreadable
from takaro_agent_client.retries import Retrying
from takaro_agent_client.settings import Settings
from takaro_agent_client.sync_client import Client

__all__ = [
    "Client",
    "AsyncClient",
    "Settings",
    "Retrying",
    "ClientError",
    "ConnectionFailed",
    "Unreadable",
    "Refused",
    "Invalid",
    "NotAuthenticated",
    "Forbidden",
    "NotFound",
    "Conflict",
    "TooLarge",
    "TooMany",
    "Unavailable",
]

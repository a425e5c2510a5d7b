"""Settings of the cockpit service."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import Field, SecretStr, field_validator

from servicekit.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long a server may be ``starting`` and ``stopping``, and how many of its events wait for Takaro."""

    start: timedelta
    stop: timedelta
    events: int


class CockpitSettings(ServiceSettings):
    """Settings of the cockpit service (``COCKPIT_…`` overrides the shared name)."""

    service: ClassVar[str] = "cockpit"

    port: int = Field(3103, ge=0, le=65535, description="HTTP port")
    simulation_interval_seconds: float = Field(
        5, gt=0, description="time between two simulated events on a mock server"
    )

    takaro_connect_url: str | None = Field(
        None,
        description="Takaro's connector, such as wss://connect.takaro.io/; unset: derived from "
        "TAKARO_API_URL (https://api.x.y gives wss://connect.x.y/)",
    )
    takaro_registration_token: SecretStr | None = Field(
        None, description="registers mock servers at Takaro; unset: mock servers run on their own"
    )
    cockpit_secret_key: SecretStr | None = Field(
        None,
        description="encrypts the registration tokens of users' domains, which are used without "
        "TAKARO_REGISTRATION_TOKEN; a Fernet key",
    )
    takaro_connections_max: int = Field(
        500, gt=0, description="maximum mock servers that one process connects to Takaro"
    )
    takaro_start_timeout_seconds: float = Field(
        30, gt=0, description="a start fails if Takaro hasn't named the server after this time"
    )
    takaro_stop_timeout_seconds: float = Field(
        10, gt=0, description="a server counts as stopped after this time, whatever its connection does"
    )
    takaro_reconnect_seconds: float = Field(
        5,
        gt=0,
        description="shortest pause before a lost connection is opened again; it grows to 12 times that",
    )
    takaro_heartbeat_seconds: float = Field(
        20, gt=0, description="time between two pings, and longest wait for their answer"
    )
    takaro_events_max: int = Field(
        10_000, gt=0, description="maximum events of one server that wait for Takaro; the oldest are dropped"
    )

    def connection_limits(self) -> ConnectionLimits:
        """The limits of a server's connection to Takaro."""
        return ConnectionLimits(
            timedelta(seconds=self.takaro_start_timeout_seconds),
            timedelta(seconds=self.takaro_stop_timeout_seconds),
            self.takaro_events_max,
        )

    def connect_url(self) -> str | None:
        """Where mock servers connect to Takaro; None if nowhere."""
        if self.takaro_connect_url or not self.takaro_api_url:
            return self.takaro_connect_url
        parts = urlsplit(self.takaro_api_url)
        name, dot, domain = parts.netloc.partition(".")
        if name != "api" or not dot:
            return None
        return f"{'wss' if parts.scheme == 'https' else 'ws'}://connect.{domain}/"

    @field_validator("cockpit_secret_key")
    @classmethod
    def _usable_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            try:
                Fernet(key.get_secret_value())
            except ValueError:
                raise ValueError("COCKPIT_SECRET_KEY is 32 random bytes in URL-safe Base64") from None
        return key

    @field_validator("takaro_connect_url")
    @classmethod
    def _readable_connector(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise ValueError("TAKARO_CONNECT_URL is an address such as wss://connect.takaro.io/")
        return url

"""Where the commands find Postgres, Redis and traces."""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from backbone.settings import BackboneSettings
from common import database_url


def _default_of_services(name: str) -> str:
    default: str = BackboneSettings.model_fields[name].default
    return default


class OperatorSettings(BaseSettings):
    """Read from the environment and ``.env``, under the names that the services read."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    database_url: str = Field(
        _default_of_services("database_url"),
        description="Postgres 16 with pgvector; if set, the local stack doesn't start its own",
    )
    redis_url: str = Field(
        _default_of_services("redis_url"),
        description="Redis 7 or Valkey, append-only, noeviction; if set, the local stack doesn't start its "
        "own",
    )
    event_bus_url: str = Field("", description="defaults to REDIS_URL; kafka://host:9092 switches to Kafka")
    otlp_port: int = Field(4318, description="trace collector of the local stack")
    traces_url: str = Field(
        "", validation_alias="TAKARO_TRACES_URL", description="base URL of the trace collector"
    )

    @field_validator("database_url")
    @classmethod
    def _readable(cls, url: str) -> str:
        return database_url.check(url)

    @property
    def bus_url(self) -> str:
        """``EVENT_BUS_URL``, or ``REDIS_URL`` if that is empty."""
        return self.event_bus_url or self.redis_url

    @property
    def collector_url(self) -> str:
        """The trace collector's base URL, without a slash at its end."""
        return (self.traces_url or f"http://127.0.0.1:{self.otlp_port}").rstrip("/")

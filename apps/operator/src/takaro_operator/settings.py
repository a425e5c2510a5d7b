"""Where the commands find Postgres, Redis and traces."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from backbone.settings import BackboneSettings


def _default_of_services(name: str) -> str:
    default: str = BackboneSettings.model_fields[name].default
    return default


class OperatorSettings(BaseSettings):
    """Read from the environment and ``.env``, under the names that the services read."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    database_url: str = Field(_default_of_services("database_url"), description="DATABASE_URL")
    redis_url: str = Field(_default_of_services("redis_url"), description="REDIS_URL")
    event_bus_url: str = Field("", description="EVENT_BUS_URL; defaults to REDIS_URL")
    otlp_port: int = Field(4318, description="OTLP_PORT of the local stack's collector")
    traces_url: str = Field("", validation_alias="TAKARO_TRACES_URL", description="the collector's base URL")

    @property
    def bus_url(self) -> str:
        return self.event_bus_url or self.redis_url

    @property
    def collector_url(self) -> str:
        return (self.traces_url or f"http://127.0.0.1:{self.otlp_port}").rstrip("/")

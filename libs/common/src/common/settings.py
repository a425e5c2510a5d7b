"""Settings shared by everything that uses Postgres and Redis, from the environment and ``.env``.

``CHAT_DATABASE_URL`` overrides ``DATABASE_URL`` for the chat service, and so on for every setting and
service. So an operator can give each service its own role and ACL user.
"""

import os
import socket
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from common import database_url


class WrongSetting(ValueError):
    """A setting, or the file that it names, can't be used. The message is one line that names it."""


LOOPBACK = ("127.0.0.1", "localhost", "::1")


class StoreSettings(BaseSettings):
    """Where a service's state is stored, its time limits, and the name of its process."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    service: ClassVar[str]

    database_url: str = Field(
        "postgresql://takaro:takaro@localhost:5433/takaro_agent",
        description="Postgres 16 with pgvector; if set, the local stack doesn't start its own",
    )
    redis_url: str = Field(
        "redis://localhost:6379",
        description="Redis 7 or Valkey, append-only, noeviction; if set, the local stack doesn't start its "
        "own",
    )
    instance_name: str = Field(
        "", description="stable name of this process alone; after a restart it takes its leases back at once"
    )

    database_pool_size: int = Field(10, ge=2, description="maximum Postgres connections of this process")
    statement_timeout_seconds: float = Field(30, gt=0, description="Postgres statement_timeout")
    lock_timeout_seconds: float = Field(5, gt=0, description="Postgres lock_timeout")
    lease_ttl_seconds: float = Field(
        3, gt=0, description="a frozen or dead lease holder is replaced after this time"
    )
    shutdown_grace_seconds: float = Field(10, gt=0, description="time to finish work in flight at a stop")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged"
    )

    @field_validator("database_url")
    @classmethod
    def _readable(cls, url: str) -> str:
        return database_url.check(url)

    @model_validator(mode="after")
    def _name_the_process(self) -> Self:
        if not self.instance_name:
            self.instance_name = f"{self.service}@{socket.gethostname()}:{os.getpid()}"
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The service's own name for a setting first, then the shared name; the environment before
        ``.env``."""
        prefix = f"{cls.service}_"
        return (
            init_settings,
            EnvSettingsSource(settings_cls, env_prefix=prefix),
            env_settings,
            DotEnvSettingsSource(settings_cls, env_prefix=prefix),
            dotenv_settings,
        )

"""Settings every service has, read from the environment (and ``.env``).

``CHAT_DATABASE_URL`` beats ``DATABASE_URL`` for the chat service, and so on for every setting and service:
an operator can give each service a role and an ACL user of its own.
"""

import os
import socket
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ServiceSettings(BaseSettings):
    """Base of each service's settings class, which names its service and the default port."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    service: ClassVar[str]

    database_url: str = Field(
        "postgresql://takaro:takaro@localhost:5433/takaro_agent", description="Postgres 16 with pgvector"
    )
    redis_url: str = Field("redis://localhost:6379", description="Redis 7 or Valkey: append-only, noeviction")
    event_bus_url: str = Field("", description="defaults to REDIS_URL; kafka://host:9092 switches to Kafka")
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    port: int = Field(0, ge=0, le=65535, description="HTTP port")
    instance_name: str = Field("", description="stable name of this process; a restart takes its leases back")

    auth_mode: Literal["jwt", "dev"] = Field("jwt", description="dev believes X-User-Id, on loopback only")
    jwt_secret: SecretStr | None = Field(None, description="HS256 secret")
    jwt_jwks_url: str | None = Field(None, description="JWKS of the issuer, for RS256 and ES256")
    jwt_audience: str | None = Field(None, description="required aud, when set")
    jwt_issuer: str | None = Field(None, description="required iss, when set")

    database_pool_size: int = Field(10, ge=2, description="most Postgres connections of this process")
    statement_timeout_seconds: float = Field(30, gt=0, description="Postgres statement_timeout")
    lock_timeout_seconds: float = Field(5, gt=0, description="Postgres lock_timeout")
    lease_ttl_seconds: float = Field(3, gt=0, description="a frozen or dead holder is replaced after this")
    stream_batch_size: int = Field(500, ge=1, le=10_000, description="entries handled in one transaction")
    stream_batch_bytes: int = Field(
        4_000_000, ge=1, description="bytes of entries in one transaction, and of facts published at once"
    )
    stream_retention_seconds: float = Field(
        7 * 86_400, gt=0, description="how long facts stay in a stream, and a silent group may hold them"
    )
    inbox_retention_seconds: float = Field(
        30 * 86_400, gt=0, description="how long handled events are remembered; longer than any replay"
    )
    max_handler_failures: int = Field(5, ge=1, description="failures after which an entry is a dead letter")
    retry_backoff_seconds: float = Field(0.2, gt=0, description="first pause before a retry; then doubled")
    retry_backoff_max_seconds: float = Field(30, gt=0, description="longest pause between retries")
    shutdown_grace_seconds: float = Field(10, gt=0, description="time to finish what is in flight at a stop")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")

    @model_validator(mode="after")
    def _consistent(self) -> "ServiceSettings":
        if not self.event_bus_url:
            self.event_bus_url = self.redis_url
        if self.event_bus_url.startswith("kafka"):
            from common.kafka.address import KafkaAddress

            KafkaAddress.parse(self.event_bus_url)
        if not self.instance_name:
            self.instance_name = f"{self.service}@{socket.gethostname()}:{os.getpid()}"
        if self.auth_mode == "dev" and self.host not in LOOPBACK:
            raise ValueError(
                f"AUTH_MODE=dev believes any X-User-Id header, so it may only listen on loopback, not on "
                f"{self.host}: set HOST=127.0.0.1, or AUTH_MODE=jwt with JWT_SECRET or JWT_JWKS_URL"
            )
        if self.auth_mode == "jwt" and not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError("AUTH_MODE=jwt needs JWT_SECRET or JWT_JWKS_URL; AUTH_MODE=dev needs neither")
        if self.inbox_retention_seconds <= self.stream_retention_seconds:
            raise ValueError("INBOX_RETENTION_SECONDS must be longer than STREAM_RETENTION_SECONDS")
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
        prefix = f"{cls.service}_"
        return (
            init_settings,
            EnvSettingsSource(settings_cls, env_prefix=prefix),
            env_settings,
            DotEnvSettingsSource(settings_cls, env_prefix=prefix),
            dotenv_settings,
        )

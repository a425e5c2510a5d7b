"""Settings of every service: its stores, its events, and its HTTP interface."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from backbone.settings import BackboneSettings
from common.settings import LOOPBACK


class ServiceSettings(BackboneSettings):
    """Base of each service's settings class, which sets the service's name and default port."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    port: int = Field(0, ge=0, le=65535, description="HTTP port")

    http_headers_timeout_seconds: float = Field(
        10, gt=0, description="longest time for the head of a request to arrive"
    )
    http_body_timeout_seconds: float = Field(
        30, gt=0, description="longest time for the body of a request to arrive"
    )
    http_keep_alive_seconds: float = Field(
        5, gt=0, description="an idle connection is closed after this time; longer than your proxy's"
    )
    http_send_timeout_seconds: float = Field(
        60, gt=0, description="a client that takes nothing of its answer for so long is disconnected"
    )
    http_max_connections: int = Field(
        1000, gt=0, description="maximum connections of one process; others are told to come back"
    )
    event_streams_max: int = Field(500, gt=0, description="maximum open event streams of one process")
    event_streams_per_user: int = Field(
        20, gt=0, description="maximum open event streams of one user in one process"
    )

    idempotency_wait_seconds: float = Field(
        10, gt=0, description="how long a second request with an Idempotency-Key waits for the first one"
    )
    idempotency_answer_max_bytes: int = Field(
        8_000_000, ge=1_000, description="largest answer to a request with an Idempotency-Key"
    )

    auth_mode: Literal["jwt", "dev"] = Field(
        "jwt", description="jwt, or dev: trust X-User-Id, on loopback only"
    )
    jwt_secret: SecretStr | None = Field(None, description="HS256 secret")
    jwt_jwks_url: str | None = Field(None, description="JWKS of the issuer, for RS256 and ES256")
    jwt_audience: str | None = Field(None, description="aud that tokens must have, if set")
    jwt_issuer: str | None = Field(None, description="iss that tokens must have, if set")

    @model_validator(mode="after")
    def _consistent_access(self) -> Self:
        if self.auth_mode == "dev" and self.host not in LOOPBACK:
            raise ValueError(
                f"AUTH_MODE=dev trusts any X-User-Id header, so it may only listen on loopback, not on "
                f"{self.host}: set HOST=127.0.0.1, or AUTH_MODE=jwt with JWT_SECRET or JWT_JWKS_URL"
            )
        if self.auth_mode == "jwt" and not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError("AUTH_MODE=jwt needs JWT_SECRET or JWT_JWKS_URL; AUTH_MODE=dev needs neither")
        return self

"""Settings of every service: its stores, its events, and its HTTP interface."""

from ipaddress import ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from backbone.settings import BackboneSettings
from common.settings import LOOPBACK
from servicekit.origins import read_origin

AUTH_MODES = ({"jwt"}, {"takaro"}, {"jwt", "takaro"}, {"dev"})


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

    auth_mode: str = Field(
        "jwt",
        description="jwt, takaro (the browser's cookie), both as jwt,takaro, or dev: trust X-User-Id, on "
        "loopback only",
    )
    jwt_secret: SecretStr | None = Field(None, description="HS256 secret")
    jwt_jwks_url: str | None = Field(None, description="JWKS of the issuer, for RS256 and ES256")
    jwt_audience: str | None = Field(None, description="aud that tokens must have, if set")
    jwt_issuer: str | None = Field(None, description="iss that tokens must have, if set")
    takaro_api_url: str | None = Field(
        None, description="Takaro's API, which says whose a cookie is; https://api.takaro.io in production"
    )
    cors_origins: str = Field(
        "",
        description="other origins whose pages may call with a cookie, separated by commas",
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="addresses or networks of reverse proxies whose X-Forwarded-… headers count, separated "
        "by commas",
    )

    def auth_ways(self) -> frozenset[str]:
        """How callers may prove who they are: ``dev``, ``jwt``, ``takaro``."""
        return frozenset(_listed(self.auth_mode))

    def allowed_origins(self) -> frozenset[str]:
        """The origins of ``CORS_ORIGINS``."""
        return frozenset(map(read_origin, _listed(self.cors_origins)))

    @field_validator("auth_mode")
    @classmethod
    def _known_ways(cls, mode: str) -> str:
        ways = _listed(mode)
        if set(ways) not in AUTH_MODES or len(set(ways)) < len(ways):
            raise ValueError("AUTH_MODE is jwt, takaro, jwt,takaro or dev")
        return ",".join(sorted(ways))

    @field_validator("takaro_api_url")
    @classmethod
    def _readable_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError("TAKARO_API_URL is an address such as https://api.takaro.io")
        return url.rstrip("/")

    @field_validator("cors_origins")
    @classmethod
    def _readable_origins(cls, origins: str) -> str:
        for origin in _listed(origins):
            try:
                read_origin(origin)
            except ValueError as error:
                raise ValueError(f"{origin!r} in CORS_ORIGINS {error}") from error
        return origins

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _readable_proxies(cls, proxies: str) -> str:
        listed = _listed(proxies)
        if listed == ["*"]:
            return "*"
        if "*" in listed:
            raise ValueError("* in FORWARDED_ALLOW_IPS trusts everybody, so it stands alone")
        for proxy in listed:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(
                    f"{proxy!r} in FORWARDED_ALLOW_IPS is no address or network, such as 10.0.0.0/8"
                ) from error
        return proxies

    @model_validator(mode="after")
    def _consistent_access(self) -> Self:
        ways = self.auth_ways()
        if "dev" in ways and self.host not in LOOPBACK:
            raise ValueError(
                f"AUTH_MODE=dev trusts any X-User-Id header, so it may only listen on loopback, not on "
                f"{self.host}: set HOST=127.0.0.1, or AUTH_MODE=jwt with JWT_SECRET or JWT_JWKS_URL"
            )
        if "jwt" in ways and not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError("AUTH_MODE=jwt needs JWT_SECRET or JWT_JWKS_URL; AUTH_MODE=dev needs neither")
        if "takaro" in ways and not self.takaro_api_url:
            raise ValueError(
                "AUTH_MODE=takaro needs TAKARO_API_URL, such as https://api.takaro.io, which says whose a "
                "cookie is"
            )
        return self


def _listed(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]

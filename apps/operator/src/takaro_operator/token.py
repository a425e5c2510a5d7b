"""``takaro token``: make a bearer token to try the services with."""

import time
from typing import Annotated

import jwt
import typer
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MINIMUM_SECRET = 32
"""Bytes. A key for HS256 must be at least as long as the hash (RFC 7518, 3.2)."""


class TokenSettings(BaseSettings):
    """What the services verify tokens with, from the environment and ``.env``, as they read it."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    jwt_secret: SecretStr = Field(SecretStr(""), description="JWT_SECRET")
    jwt_audience: str | None = Field(None, description="JWT_AUDIENCE")
    jwt_issuer: str | None = Field(None, description="JWT_ISSUER")


def token(
    user: Annotated[str, typer.Argument(help="The user id, which becomes the token's `sub`.")],
    hours: Annotated[float, typer.Option(help="How long the token is valid.")] = 8,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope of the token, such as operator. May be repeated.")
    ] = None,
) -> None:
    """Make a token for USER, signed with JWT_SECRET. JWT_AUDIENCE and JWT_ISSUER go in if they are set."""
    settings = TokenSettings()
    secret = settings.jwt_secret.get_secret_value()
    if len(secret.encode()) < MINIMUM_SECRET:
        typer.echo(
            f"set JWT_SECRET (at least {MINIMUM_SECRET} bytes) to the secret that the services use; "
            "with JWT_JWKS_URL, only the issuer can make tokens",
            err=True,
        )
        raise typer.Exit(2)
    now = int(time.time())
    claims: dict[str, object] = {"sub": user, "iat": now, "exp": now + int(hours * 3600)}
    if scope:
        claims["scope"] = " ".join(scope)
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    typer.echo(jwt.encode(claims, secret, algorithm="HS256"))

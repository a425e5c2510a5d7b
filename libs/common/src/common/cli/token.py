"""``takaro token``: a bearer token for people to try the services with."""

import os
import time
from typing import Annotated

import jwt
import typer

MINIMUM_SECRET = 32
"""Bytes: a key for HS256 is at least as long as the hash (RFC 7518, 3.2)."""


def token(
    user: Annotated[str, typer.Argument(help="The user id: the token's `sub`.")],
    hours: Annotated[float, typer.Option(help="How long it is valid.")] = 8,
) -> None:
    """Make a token for USER, signed with JWT_SECRET, for JWT_AUDIENCE and JWT_ISSUER when set."""
    secret = os.environ.get("JWT_SECRET", "")
    if len(secret.encode()) < MINIMUM_SECRET:
        typer.echo(
            f"set JWT_SECRET (at least {MINIMUM_SECRET} bytes) to the secret that the services use; "
            "with JWT_JWKS_URL only the issuer makes tokens",
            err=True,
        )
        raise typer.Exit(2)
    now = int(time.time())
    claims: dict[str, object] = {"sub": user, "iat": now, "exp": now + int(hours * 3600)}
    for claim, setting in (("aud", "JWT_AUDIENCE"), ("iss", "JWT_ISSUER")):
        if os.environ.get(setting):
            claims[claim] = os.environ[setting]
    typer.echo(jwt.encode(claims, secret, algorithm="HS256"))

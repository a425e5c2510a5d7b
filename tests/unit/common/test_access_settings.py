"""Settings of who may call: what can't be meant is refused, with the name of the setting."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from servicekit.settings import ServiceSettings

TAKARO: dict[str, Any] = {"takaro_api_url": "https://api.takaro.io"}
JWT: dict[str, Any] = {"jwt_secret": "s" * 32}


class Settings(ServiceSettings):
    service: ClassVar[str] = "chat"


@pytest.mark.parametrize(
    ("mode", "ways"),
    [
        ("jwt", {"jwt"}),
        ("takaro", {"takaro"}),
        ("jwt,takaro", {"jwt", "takaro"}),
        (" takaro , jwt ", {"jwt", "takaro"}),
        ("dev", {"dev"}),
    ],
)
def test_modes(mode: str, ways: set[str]) -> None:
    assert Settings(auth_mode=mode, **TAKARO, **JWT).auth_ways() == ways


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"auth_mode": "jwt"}, "JWT_SECRET"),
        ({"auth_mode": "takaro"}, "TAKARO_API_URL"),
        ({"auth_mode": "takaro", **JWT}, "TAKARO_API_URL"),
        ({"auth_mode": "jwt,takaro", **JWT}, "TAKARO_API_URL"),
        ({"auth_mode": "jwt,takaro", **TAKARO}, "JWT_SECRET"),
        ({"auth_mode": "dev,takaro", **TAKARO}, "AUTH_MODE"),
        ({"auth_mode": "jwt,jwt", **JWT}, "AUTH_MODE"),
        ({"auth_mode": ",", **JWT}, "AUTH_MODE"),
        ({**JWT, "takaro_api_url": "api.takaro.io"}, "TAKARO_API_URL"),
        ({**JWT, "takaro_api_url": "https://me:secret@api.takaro.io"}, "TAKARO_API_URL"),
        ({**JWT, "cors_origins": "https://a.example,*"}, "CORS_ORIGINS"),
        ({**JWT, "cors_origins": "https://a.example/"}, "CORS_ORIGINS"),
        ({**JWT, "forwarded_allow_ips": "proxy"}, "FORWARDED_ALLOW_IPS"),
        ({**JWT, "forwarded_allow_ips": "10.0.0.0/8,10.0.0.7/8"}, "FORWARDED_ALLOW_IPS"),
        ({**JWT, "forwarded_allow_ips": "10.0.0.0/8,*"}, "FORWARDED_ALLOW_IPS"),
    ],
)
def test_what_cant_be_meant_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(**given)


def test_lists() -> None:
    settings = Settings(
        **JWT, cors_origins="https://A.example:443, http://b.example", forwarded_allow_ips="*"
    )
    assert settings.allowed_origins() == {"https://a.example", "http://b.example"}
    assert Settings(**JWT, forwarded_allow_ips=" * ").forwarded_allow_ips == "*", "as uvicorn compares it"
    assert Settings(**JWT, forwarded_allow_ips="10.0.0.0/8, ::1").forwarded_allow_ips == "10.0.0.0/8, ::1"

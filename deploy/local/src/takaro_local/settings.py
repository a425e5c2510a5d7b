"""Settings of the local stack, from the environment and ``.env``."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from common import database_url
from takaro_local.addresses import layered

_SERVER = re.compile(r"https?://[\w.-]+(:\d{1,5})?/?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?/?", re.ASCII)
_PATH = re.compile(r"/[\w.~%*/-]*", re.ASCII)
"""Nothing that the proxy's configuration could read as something else than a path."""


class LocalSettings(BaseModel):
    """Ports and data folder of the stack. The name of each setting is that of its field, in upper case."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    postgres_port: int = Field(5433, ge=1, le=65535, description="embedded Postgres")
    redis_port: int = Field(6379, ge=1, le=65535, description="embedded Redis-compatible server")
    chat_port: int = Field(3101, ge=1, le=65535, description="chat")
    knowledge_port: int = Field(3102, ge=1, le=65535, description="knowledge")
    cockpit_port: int = Field(3103, ge=1, le=65535, description="cockpit")
    otlp_port: int = Field(4318, ge=1, le=65535, description="trace collector of the local stack")
    origin_port: int = Field(
        3100, ge=1, le=65535, description="reverse proxy: the three services and the web client on one origin"
    )
    web_client_dir: Path | None = Field(
        None, description="folder of a built web client, which / of the origin shows"
    )
    web_upstream: str | None = Field(
        None,
        description="http address of a server that has / of the origin and every path not cut over; this or "
        "WEB_CLIENT_DIR",
    )
    web_upstream_paths: str = Field(
        "",
        description="paths that still go to WEB_UPSTREAM, separated by spaces: /auth/* /api/custom-agents*",
    )
    takaro_data_dir: Path = Field(Path(".local"), description="data folder of the embedded servers")
    database_url: str | None = Field(
        None, description="Postgres 16 with pgvector; if set, the local stack doesn't start its own"
    )
    redis_url: str | None = Field(
        None,
        description="Redis 7 or Valkey, append-only, noeviction; if set, the local stack doesn't start its "
        "own",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        description="where spans are sent (the other standard OTEL_* work too); if empty, the local stack "
        "keeps them itself",
    )
    log_format: Literal["text", "json"] | None = Field(
        None, description="format of service logs: text or json; default: text on a terminal, else json"
    )
    shutdown_grace_seconds: float = Field(10, gt=0, description="time to finish work in flight at a stop")

    @field_validator("database_url")
    @classmethod
    def _readable(cls, url: str | None) -> str | None:
        return url and database_url.check(url)

    @field_validator("web_client_dir")
    @classmethod
    def _built(cls, folder: Path | None) -> Path | None:
        if folder is None:
            return None
        folder = folder.expanduser().resolve()
        if not (folder / "index.html").is_file():
            raise ValueError(
                f"{folder} has no index.html: name the folder that the web client was built into"
            )
        return folder

    @field_validator("web_upstream")
    @classmethod
    def _server(cls, url: str | None, others: ValidationInfo) -> str | None:
        if url is None:
            return None
        if others.data.get("web_client_dir"):
            raise ValueError("WEB_CLIENT_DIR is set too: set one of them")
        if not _SERVER.fullmatch(url):
            raise ValueError(f"{url} must look like http://host:port, without a path")
        return url.removesuffix("/")

    @field_validator("web_upstream_paths")
    @classmethod
    def _kept_paths(cls, paths: str, others: ValidationInfo) -> str:
        if wrong := [path for path in paths.split() if not _PATH.fullmatch(path)]:
            raise ValueError(f"{wrong[0]} must look like /auth/me or /api/custom-agents*")
        if paths.split() and others.data.get("web_upstream", "wrong") is None:
            raise ValueError("needs WEB_UPSTREAM, the server that these paths still go to")
        return " ".join(paths.split())

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; an empty value counts as unset. Raises pydantic's ValidationError."""
        return cls.model_validate({name.lower(): value for name, value in environment.items() if value})

    @property
    def data_dir(self) -> Path:
        """The data folder as an absolute path."""
        return self.takaro_data_dir.expanduser().resolve()


def surroundings(dotenv: Path = Path(".env")) -> dict[str, str]:
    """The process's environment, which overrides ``.env``; an empty value counts as unset in both."""
    return layered(dotenv_values(dotenv), os.environ)


def problems_of(error: ValidationError) -> list[str]:
    """A line for each setting that can't be read."""
    return [
        f"{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    ]

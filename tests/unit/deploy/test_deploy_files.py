"""What can be checked of the deploy files without a Docker engine: schema, lint, and the promised facts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from servicekit.settings import ServiceSettings

_ROOT = Path(__file__).parents[3]
_BIN = Path(sys.executable).parent
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def _compose(**environment: str) -> dict[str, Any]:
    """The services as Compose reads them with an ``.env`` of these values."""
    text = (_ROOT / "docker-compose.yml").read_text()
    loaded = yaml.safe_load(_VARIABLE.sub(lambda found: environment.get(found[1]) or found[2], text))
    assert isinstance(loaded, dict)
    return loaded["services"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return _compose()


@pytest.mark.parametrize(
    "command",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        ["hadolint", "deploy/Dockerfile"],
        ["yamllint", "--strict", "docker-compose.yml", "deploy"],
    ],
    ids=lambda command: command[0],
)
def test_validator_finds_nothing(command: list[str]) -> None:
    program = _BIN / command[0]
    result = subprocess.run([program, *command[1:]], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_compose_has_the_services_of_the_database_document(compose: dict[str, Any]) -> None:
    assert set(compose) == {"postgres", "redis", "migrate", "chat", "knowledge", "cockpit", "proxy"}
    assert compose["postgres"]["image"] == "pgvector/pgvector:pg16"
    assert compose["postgres"]["ports"] == ["127.0.0.1:5433:5432"]
    assert compose["redis"]["image"] == "redis:7-alpine"
    assert compose["redis"]["ports"] == ["127.0.0.1:6379:6379"]
    assert compose["redis"]["command"][1:] == [
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--maxmemory-policy", "noeviction"),
        *("--requirepass", ""),
    ]


def test_compose_migrates_and_rolls_back_by_service_arguments(compose: dict[str, Any]) -> None:
    assert compose["migrate"]["entrypoint"] == ["takaro"]
    assert compose["migrate"]["command"] == ["migrate"]


@pytest.mark.parametrize("service", ["chat", "knowledge", "cockpit"])
def test_compose_services_wait_for_servers_and_migrations(compose: dict[str, Any], service: str) -> None:
    conditions = {name: entry["condition"] for name, entry in compose[service]["depends_on"].items()}
    assert conditions == {
        "postgres": "service_healthy",
        "redis": "service_healthy",
        "migrate": "service_completed_successfully",
    }
    port = compose[service]["environment"][f"{service.upper()}_PORT"]
    assert compose[service]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}/ready" in compose[service]["healthcheck"]["test"][-1]


def test_no_service_of_compose_believes_headers(compose: dict[str, Any]) -> None:
    assert all("AUTH_MODE" not in service.get("environment", {}) for service in compose.values())


def test_passwords_and_ports_of_compose_come_from_the_environment_file() -> None:
    ports = {
        "POSTGRES_PORT": "1",
        "REDIS_PORT": "2",
        "CHAT_PORT": "3",
        "KNOWLEDGE_PORT": "4",
        "COCKPIT_PORT": "5",
        "ORIGIN_PORT": "6",
    }
    services = _compose(POSTGRES_PASSWORD="secret", REDIS_PASSWORD="hush", **ports)
    for name, port in ports.items():
        [published] = services[name.removesuffix("_PORT").lower().replace("origin", "proxy")]["ports"]
        assert published.startswith(f"127.0.0.1:{port}:")
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "secret"
    assert services["redis"]["command"][-1] == "hush"
    for service in ("migrate", "chat", "knowledge", "cockpit"):
        environment = services[service]["environment"]
        assert environment["DATABASE_URL"] == "postgresql://takaro:secret@postgres:5432/takaro_agent"
        assert environment["REDIS_URL"] == "redis://:hush@redis:6379"


def test_a_container_has_more_time_to_stop_than_its_service(compose: dict[str, Any]) -> None:
    grace = ServiceSettings.model_fields["shutdown_grace_seconds"].default
    for service in ("chat", "knowledge", "cockpit"):
        assert float(compose[service]["stop_grace_period"].removesuffix("s")) > grace


def test_logs_rotate_and_memory_is_limited(compose: dict[str, Any]) -> None:
    for name, service in compose.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        assert service["mem_limit"], name


@pytest.mark.parametrize(
    "docker", [None, "#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n"]
)
def test_up_without_compose_says_so_and_leaves_nothing(tmp_path: Path, docker: str | None) -> None:
    """Neither an .env with a secret, nor an error about an option of docker's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python3", "make", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    if docker:
        (programs / "docker").write_text(docker)
        (programs / "docker").chmod(0o755)
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(_ROOT / "Makefile", project)
    result = subprocess.run(
        ["make", "up"], cwd=project, env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "Compose plugin" in result.stderr
    assert "--build" not in result.stderr
    assert [path.name for path in project.iterdir()] == ["Makefile"]

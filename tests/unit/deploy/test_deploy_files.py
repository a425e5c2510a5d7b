"""What can be checked of the deploy files without a Docker engine: schema, lint, and the promised facts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).parents[3]
_BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded["services"]  # type: ignore[no-any-return]


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
    assert set(compose) == {"postgres", "redis", "migrate", "chat", "knowledge", "cockpit"}
    assert compose["postgres"]["image"] == "pgvector/pgvector:pg16"
    assert compose["postgres"]["ports"] == ["127.0.0.1:5433:5432"]
    assert compose["redis"]["image"] == "redis:7-alpine"
    assert compose["redis"]["ports"] == ["127.0.0.1:6379:6379"]
    assert compose["redis"]["command"][1:] == [
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--maxmemory-policy", "noeviction"),
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

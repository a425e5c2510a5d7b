"""Compose's proxy is the one of the local stack, whose tests send every operation through it."""

import json
import os
import subprocess
from typing import Any

import pytest
import yaml

from takaro_local import origin
from takaro_local.addresses import ROOT
from takaro_local.settings import LocalSettings
from tests.unit.deploy.test_deploy_files import _compose


@pytest.fixture(scope="module")
def proxy() -> dict[str, Any]:
    found = _compose()["proxy"]
    assert isinstance(found, dict)
    return found


def caddy(*arguments: str, environment: dict[str, str] | None = None) -> str:
    command = [str(origin.binary()), *arguments]
    run = subprocess.run(
        command, env=environment or dict(os.environ), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_it_is_the_same_version(proxy: dict[str, Any]) -> None:
    version = caddy("version").split()[0].removeprefix("v")
    assert proxy["image"] == f"caddy:{version}"


def test_it_reads_the_same_file(proxy: dict[str, Any]) -> None:
    [mounted] = [each for each in proxy["volumes"] if each["target"] == "/etc/caddy"]
    assert (ROOT / mounted["source"]).resolve() == origin.CADDYFILE.parent
    assert proxy["command"][proxy["command"].index("--config") + 1] == f"/etc/caddy/{origin.CADDYFILE.name}"
    assert proxy["ports"] == ["127.0.0.1:3100:3100"]


@pytest.mark.parametrize("kind", ["", "-upstream", "-files"])
def test_it_has_the_routes_of_the_local_stack(
    proxy: dict[str, Any], kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Apart from where the servers are."""
    built = tmp_path_factory.mktemp("built")
    (built / "index.html").touch()
    web = {
        "": {},
        "-upstream": {"WEB_UPSTREAM": "http://web.test:3000"},
        "-files": {"WEB_CLIENT_DIR": str(built)},
    }[kind]
    local = origin.environment(LocalSettings.read(web), {})
    composed = {name: value or "" for name, value in proxy["environment"].items()}
    assert composed["WEB_KIND"] == "${WEB_UPSTREAM:+-upstream}${WEB_CLIENT_DIR:+-files}"
    composed |= {"WEB_KIND": kind, "WEB_UPSTREAM": web.get("WEB_UPSTREAM", "")}
    for port, service in ((3101, "chat"), (3102, "knowledge"), (3103, "cockpit")):
        assert composed[f"{service.upper()}_UPSTREAM"] == f"{service}:{port}"
        composed[f"{service.upper()}_UPSTREAM"] = f"127.0.0.1:{port}"
    assert composed["ORIGIN_HOST"] == "0.0.0.0", "inside its container"
    composed["ORIGIN_HOST"] = "127.0.0.1"
    assert adapted(local) == adapted(composed)


def adapted(environment: dict[str, str]) -> Any:
    """The whole configuration, as the proxy itself reads it."""
    arguments = ("adapt", "--config", str(origin.CADDYFILE), "--adapter", "caddyfile", "--validate")
    return json.loads(caddy(*arguments, environment={"HOME": os.environ["HOME"]} | environment))


def test_no_setting_of_the_proxy_is_left_out(proxy: dict[str, Any]) -> None:
    own = set(origin.environment(LocalSettings.read({}), {})) - {"XDG_CONFIG_HOME", "XDG_DATA_HOME"}
    assert set(proxy["environment"]) == own | {"ORIGIN_TRUSTED_PROXIES"}


def test_the_services_believe_the_proxy(proxy: dict[str, Any]) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in ("chat", "knowledge", "cockpit"):
        assert "172.16.0.0/12" in services[name]["environment"]["FORWARDED_ALLOW_IPS"]


def test_the_file_is_formatted() -> None:
    caddy("fmt", "--diff", str(origin.CADDYFILE))

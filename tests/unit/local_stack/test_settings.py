"""The local stack's settings and the clients that follow them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from takaro_local import addresses, clients
from takaro_local.addresses import settings_of_clients
from takaro_local.clients import command_line
from takaro_local.settings import LocalSettings, surroundings


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CHAT_PORT=4101\nCOCKPIT_PORT=4103\nDATABASE_URL=\n")
    monkeypatch.setenv("CHAT_PORT", "5101")
    for name in ("COCKPIT_PORT", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = LocalSettings.read(surroundings(tmp_path / ".env"))
    assert (settings.chat_port, settings.cockpit_port, settings.database_url) == (5101, 4103, None)


def test_a_wrong_port_is_refused() -> None:
    with pytest.raises(ValidationError, match="redis_port"):
        LocalSettings.read({"REDIS_PORT": "70000"})


def test_clients_follow_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    settings = LocalSettings.read({"POSTGRES_PORT": "1", "REDIS_PORT": "2"})
    assert command_line("psql", settings)[1] == "postgresql://takaro:takaro@127.0.0.1:1/takaro_agent"
    assert command_line("redis-cli", settings)[-2:] == ["--url", "redis://127.0.0.1:2"]
    elsewhere = LocalSettings.read({"DATABASE_URL": "postgresql+asyncpg://a:b@c/d"})
    assert command_line("psql", elsewhere)[1] == "postgresql://a:b@c/d"


def test_a_client_refuses_settings_that_it_can_t_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://one/agents")
    with pytest.raises(SystemExit, match=r"^DATABASE_URL: it must look like postgresql://"):
        clients.main(["psql"])


def test_clients_find_the_running_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TAKARO_DATA_DIR", "REDIS_URL", "CHAT_PORT", "OTLP_PORT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("REDIS_URL=redis://file\nCHAT_PORT=4101\nTAKARO_DATA_DIR=data\n")
    (tmp_path / "data").mkdir()
    assert settings_of_clients(tmp_path)["REDIS_URL"] == "redis://file"
    addresses.write(tmp_path / "data", {"REDIS_URL": "redis://running", "OTLP_PORT": "5"})
    monkeypatch.setenv("OTLP_PORT", "6")
    monkeypatch.setenv("CHAT_PORT", "")
    found = settings_of_clients(tmp_path)
    assert (found["REDIS_URL"], found["OTLP_PORT"], found["CHAT_PORT"]) == ("redis://running", "6", "4101")


def test_a_stack_that_ended_leaves_no_addresses(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    addresses.write(tmp_path, {"REDIS_URL": "redis://running"})
    written = tmp_path / "addresses.json"
    written.write_text(written.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {ended.pid}'))
    assert addresses.of_running_stack(tmp_path) == {}
    written.write_text("[]")
    assert addresses.of_running_stack(tmp_path) == {}


def test_a_redis_client_of_the_machine_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/valkey-cli" if name == "valkey-cli" else None)
    settings = LocalSettings.read({"REDIS_URL": "redis://elsewhere:6379"})
    assert command_line("redis-cli", settings) == ["/bin/valkey-cli", "-u", "redis://elsewhere:6379"]

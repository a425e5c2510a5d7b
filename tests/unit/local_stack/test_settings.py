"""The local stack's settings and the clients that follow them."""

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

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


def test_a_redis_client_of_the_machine_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/valkey-cli" if name == "valkey-cli" else None)
    settings = LocalSettings.read({"REDIS_URL": "redis://elsewhere:6379"})
    assert command_line("redis-cli", settings) == ["/bin/valkey-cli", "-u", "redis://elsewhere:6379"]

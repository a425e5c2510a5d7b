"""An empty setting counts as unset: for every setting of every program alike."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from servicekit.settings import ServiceSettings
from takaro_local.settings import LocalSettings, surroundings
from tests.unit.deploy.settings_documented import CLASSES, environment_names_of

CASES = [(settings, name) for settings in CLASSES for name, _ in environment_names_of(settings)]


def made(settings: type[BaseModel]) -> Any:
    if settings is LocalSettings:
        return LocalSettings.read(surroundings()).model_dump()
    return settings().model_dump()


@pytest.mark.parametrize(("settings", "name"), CASES, ids=[f"{s.__name__}-{n}" for s, n in CASES])
@pytest.mark.parametrize("where", ["environment", "file"])
def test_an_empty_setting_is_unset(
    settings: type[BaseModel], name: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for _, known in CASES:
        monkeypatch.delenv(known, raising=False)
    required = {"AUTH_MODE": "dev"} if issubclass(settings, ServiceSettings) else {}
    if name == "AUTH_MODE":
        required = {"JWT_SECRET": "secret"}
    for key, value in required.items():
        monkeypatch.setenv(key, value)
    unset = made(settings)
    names = [name]
    if issubclass(settings, ServiceSettings):
        names.append(f"{settings.service}_{name}".upper())
    for empty in names:
        if where == "environment":
            monkeypatch.setenv(empty, "")
        else:
            (tmp_path / ".env").write_text("".join(f"{each}=\n" for each in names))
    assert made(settings) == unset


def test_an_empty_value_in_the_environment_leaves_the_file_in_force(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("REDIS_PORT=7000\nREDIS_URL=redis://elsewhere\n")
    for name in ("REDIS_PORT", "REDIS_URL"):
        monkeypatch.setenv(name, "")
    assert LocalSettings.read(surroundings()).redis_port == 7000
    for settings in CLASSES:
        if issubclass(settings, BaseSettings) and "redis_url" in settings.model_fields:
            monkeypatch.setenv("AUTH_MODE", "dev")
            assert settings().redis_url == "redis://elsewhere"  # type: ignore[attr-defined]

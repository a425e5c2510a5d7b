"""``.env.example`` lists every setting with its default and description, and nothing else."""

import json
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tests.unit.deploy.settings_documented import environment_names

_ROOT = Path(__file__).parents[3]
# : Settings whose default depends on the program; the file has the services'.
_BY_READER = {"DATABASE_URL", "REDIS_URL"}


def test_env_example_holds_every_setting_with_its_default() -> None:
    expected: dict[str, tuple[str, str]] = {}
    for name, field in environment_names():
        if name not in _BY_READER:
            expected.setdefault(name, (_default(field), field.description or ""))
    for name, default in _variables_of_compose().items():
        expected.setdefault(name, (default, ""))
    written = _written()
    missing = [
        f"# {about}\n# {name}={value}" for name, (value, about) in expected.items() if name not in written
    ]
    assert not missing, "add to .env.example:\n" + "\n".join(missing)
    differing = {
        name: (written[name], value) for name, (value, _) in expected.items() if written[name] != value
    }
    assert not differing, f"(in .env.example, in the code): {differing}"
    assert set(written) - set(expected) == _BY_READER


def test_env_example_describes_each_setting_as_the_code_does() -> None:
    written = _descriptions()
    differing = {
        name: (written.get(name), field.description)
        for name, field in environment_names()
        if not name.endswith("_PORT") and written.get(name) != field.description
    }
    assert not differing, f"(in .env.example, in the code): {differing}"


def test_env_example_sets_nothing() -> None:
    lines = (_ROOT / ".env.example").read_text().splitlines()
    assert all(not line or line.startswith("#") for line in lines)


def _variables_of_compose() -> dict[str, str]:
    """Compose reads them from .env, each with its default."""
    return dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (_ROOT / "docker-compose.yml").read_text()))


def _written() -> dict[str, str]:
    text = (_ROOT / ".env.example").read_text()
    return dict(re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", text, flags=re.MULTILINE))


def _descriptions() -> dict[str, str]:
    text = (_ROOT / ".env.example").read_text()
    lines = re.findall(r"^# (.*)\n# ([A-Z][A-Z0-9_]*)=", text, flags=re.MULTILINE)
    return {name: about for about, name in lines}


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=False)
    if default is None:
        return ""
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, dict):
        plain = {key: _plain(value) for key, value in default.items()}
        return json.dumps(plain)
    return str(default)


def _plain(value: object) -> object:
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value

"""The client and the contracts are all that others install: built as wheels, into an empty environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import importlib.metadata, sys
from takaro_agent_client import AsyncClient, Client
from takaro_agent_client.events import outgoing
from takaro_agent_client import operations
from contracts import chat
import importlib, pkgutil
for module in pkgutil.iter_modules(operations.__path__):
    importlib.import_module(f"takaro_agent_client.operations.{module.name}")
id = "0190b5a0-0000-7000-8000-000000000001"
command = outgoing(chat.DeleteConversation(conversation_id=id), source="x")
assert command.stream == "chat.commands"
names = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
assert {n for n in names if n.startswith("takaro")} == {"takaro-agent-client", "takaro-contracts"}, names
assert "First steps" in importlib.metadata.metadata("takaro-agent-client")["Description"]
for package in ("takaro-agent-client", "takaro-contracts"):
    assert any(str(file).endswith("py.typed") for file in importlib.metadata.files(package)), package
assert not names & {"redis", "aiokafka", "fastapi", "asyncpg", "openai-agents", "langchain-core"}, names
"""


@pytest.mark.large
@pytest.mark.timeout(600)
def test_it_installs_with_contracts_alone(tmp_path: Path) -> None:
    uv = os.environ.get("UV", "uv")

    def run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    for package in ("contracts", "client"):
        run(uv, "build", "--wheel", "--out-dir", str(tmp_path / "wheels"), str(ROOT / "libs" / package))
    run(uv, "venv", "--python", sys.executable, str(tmp_path / "empty"))
    python = str(tmp_path / "empty" / "bin" / "python")
    wheels = [str(wheel) for wheel in (tmp_path / "wheels").glob("*.whl")]
    assert len(wheels) == 2
    run(uv, "pip", "install", "--python", python, *wheels)
    run(python, "-c", PROGRAM)

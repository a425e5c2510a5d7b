"""``make demo`` as people run it: its output, its exit code, and that it leaves nothing behind."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.e2e.conftest import HANDBOOK, System, write_handbook
from tests.support.servers import free_port
from tests.support.wait import eventually

pytestmark = pytest.mark.large  # each run starts a whole stack
ROOT = Path(__file__).parents[2]
STEPS = (
    "local stack",
    "conversation",
    "messages",
    "state",
    "knowledge base",
    "question",
    "question",
    "question",
    "game server",
    "console",
    "trace: sync",
    "trace: deletion",
)
# : Settings that could lead the demo to a developer's own stack.
_SETTINGS = ("DATABASE_URL", "REDIS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "DOCS")


@dataclass(slots=True, frozen=True)
class Ended:
    """A finished run: its exit code and its output."""

    code: int
    said: str

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """(mark, name) of each step."""
        lines = (line for line in self.said.splitlines() if line[1:2] in ("✓", "✗"))
        return tuple((line[1], line[3:20].strip()) for line in lines)


class Demo:
    """Runs of the demo whose temporary files go to a separate folder."""

    def __init__(self, folder: Path, ports: Mapping[str, int], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._output = folder / "said.txt"
        kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
        self.environment = {
            **kept,
            **{name: str(port) for name, port in ports.items()},
            "EMBEDDINGS_PROVIDER": "hashing",
            "TMPDIR": str(folder / "tmp"),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }

    async def launch(self, *words: str) -> asyncio.subprocess.Process:
        (self.folder / "tmp").mkdir(exist_ok=True)
        with self._output.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *(words or ("make", "demo")),
                cwd=ROOT,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def run(self, *words: str) -> Ended:
        child = await self.launch(*words)
        return Ended(await child.wait(), self.said())

    def said(self) -> str:
        return self._output.read_text()

    def stack_logs(self) -> list[Path]:
        """The output of its own stacks, while they run."""
        return list((self.folder / "tmp").glob("takaro-demo-*/stack.log"))

    def leaves_nothing(self) -> bool:
        """Neither files nor processes are left."""
        marked = f"TMPDIR={self.folder / 'tmp'}"
        left = [process for process in psutil.process_iter() if marked in _environment(process)]
        assert not left, [process.cmdline() for process in left]
        assert list((self.folder / "tmp").glob("takaro-demo-*")) == []
        return True


@pytest.fixture
def own(tmp_path: Path) -> Demo:
    """A demo that finds no stack on its ports."""
    names = ("POSTGRES_PORT", "REDIS_PORT", "CHAT_PORT", "KNOWLEDGE_PORT", "COCKPIT_PORT", "OTLP_PORT")
    return Demo(tmp_path, {name: free_port() for name in names}, {})


@pytest.fixture
def running(system: System, tmp_path: Path) -> Demo:
    """A demo that finds the running services."""
    ports = {f"{name}_PORT".upper(): service.port for name, service in system.services.items()}
    ports["OTLP_PORT"] = int(system.collector.server_address[1])
    environment = {"REDIS_URL": system.redis_url}
    return Demo(tmp_path, ports, environment)


async def test_make_demo_brings_its_own_stack_and_checks_every_step(own: Demo) -> None:
    ended = await own.run("make", "demo")
    assert ended.code == 0, ended.said
    assert ended.steps == tuple(("✓", name) for name in STEPS)
    assert "docs/migrations.md" in ended.said
    for span in ("DELETE /api/conversations/{conversationId} chat", "process chat.events cockpit"):
        assert span in ended.said
    own.leaves_nothing()


async def test_documents_of_ones_own_are_asked_by_their_headings(own: Demo) -> None:
    docs = own.folder / "my docs"
    write_handbook(own.folder)
    shutil.move(own.folder / "handbook", docs)
    ended = await own.run("make", "demo", f"DOCS={docs}")
    assert ended.code == 0, ended.said
    assert f"{len(HANDBOOK)} documents of {docs.as_uri()}" in ended.said
    assert "Welcoming players" in ended.said
    assert "moderation/bans.md" in ended.said
    own.leaves_nothing()


async def test_told_to_stop_it_takes_everything_down(own: Demo) -> None:
    child = await own.launch(sys.executable, "-m", "takaro_local.demo")
    await eventually(lambda: any("servers are up" in log.read_text() for log in own.stack_logs()), timeout=30)
    child.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(child.wait(), 30) == 128 + signal.SIGINT
    assert "stopped by SIGINT" in own.said()
    await eventually(own.leaves_nothing)


async def test_documents_that_are_not_there_are_named(own: Demo) -> None:
    ended = await own.run("make", "demo", "DOCS=/nowhere")
    assert ended.code != 0
    assert "DOCS=/nowhere does not exist" in ended.said


async def test_a_service_that_is_away_is_named(running: Demo, system: System) -> None:
    """The demo takes the stack for a running one, not for none."""
    service = system["knowledge"]
    await service.kill()
    try:
        ended = await running.run()
    finally:
        await service.start()
    assert ended.code != 0
    assert ended.steps == (("✗", "local stack"),)
    assert f"knowledge doesn't answer at {service.url}/ready" in ended.said
    assert "Traceback" not in ended.said
    running.leaves_nothing()


async def test_a_step_that_fails_ends_it_with_what_should_hold(running: Demo, system: System) -> None:
    """Half-way: this stack has no base of the project's docs. The demo's conversation is gone as well."""
    before = await _conversations(system)
    ended = await running.run()
    assert ended.code != 0
    passed = tuple(("✓", name) for name in STEPS[:4])
    assert ended.steps == (*passed, ("✗", "knowledge base"))
    assert "404: Knowledge base not found (trace " in ended.said
    assert "not everything holds: 4 steps did" in ended.said
    assert "Traceback" not in ended.said
    assert await _conversations(system) == before
    running.leaves_nothing()


async def _conversations(system: System) -> int:
    connection = await asyncpg.connect(system.database)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM conversations"))
    finally:
        await connection.close()


def _environment(process: psutil.Process) -> list[str]:
    try:
        return [f"{name}={value}" for name, value in process.environ().items()]
    except psutil.Error:
        return []

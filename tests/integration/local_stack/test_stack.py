"""``make run``: what it starts and says, and how it goes on when a part of it dies."""

import asyncio
import os
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
import pytest_asyncio
from redis import Redis

from takaro_local.ports import is_free
from takaro_local.postgres import binary
from tests.support import database_document
from tests.support.local_stack import LocalStack
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

_SERVICES = ("chat", "knowledge", "cockpit")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalStack]:
    """A running stack: on the ports of the database document where they are free on this machine."""
    documented = {"POSTGRES_PORT": 5433, "REDIS_PORT": 6379}
    wanted = {name: port for name, port in documented.items() if is_free(port)}
    stack = LocalStack(tmp_path_factory.mktemp("stack"), wanted)
    try:
        yield await stack.start()
    finally:
        stack.end()


async def test_the_services_are_ready(stack: LocalStack) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:

        async def is_ready(url: str) -> bool:  # a consumer may be interrupted for a moment
            return (await client.get(url)).is_success

        for service in _SERVICES:
            port = stack.ports[f"{service.upper()}_PORT"]
            await eventually(partial(is_ready, f"http://127.0.0.1:{port}/ready"))
            assert str(port) in stack.said()
        origin = f"http://127.0.0.1:{stack.ports['ORIGIN_PORT']}"
        assert f"Open {origin} " in stack.said()
        for service in _SERVICES:
            await eventually(partial(is_ready, f"{origin}/{service}/ready"))


async def test_folders_of_the_machine_can_be_added_where_the_stack_allows_it(
    stack: LocalStack, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{stack.ports['KNOWLEDGE_PORT']}/api/knowledge-bases"
    docs, own = Path(__file__).parents[3] / "docs", stack.folder / "data" / "sources" / "manual"
    own.mkdir()
    (own / "levers.md").write_text("Pull the red lever.")
    async with httpx.AsyncClient(trust_env=False, headers={"X-User-Id": "ann"}, verify=NO_TLS) as client:
        for name, folder in (("docs", docs), ("manual", own)):
            body = {"id": f"folder-{name}", "name": name, "source": folder.as_uri(), "extensions": [".md"]}
            answer = await client.post(url, json=body)
            assert answer.status_code == 201, answer.text
        answer = await client.post(url, json={"id": "other", "name": "other", "source": tmp_path.as_uri()})
        assert answer.status_code == 400
        assert "LOCAL_SOURCES_ROOT" in answer.text

        async def synced() -> bool:
            base = (await client.get(f"{url}/folder-manual")).json()["data"]
            return (base["state"], base["documentCount"]) == ("idle", 1)

        await eventually(synced, timeout=60)


async def test_the_documents_host_commands_connect(stack: LocalStack) -> None:
    psql, redis_cli = database_document.host_commands()
    assert _shell(_on_ports(psql, stack), "SELECT count(*) FROM conversations;").split()[2] == "0"
    assert _redis(_on_ports(redis_cli, stack) + " PING", stack) == "PONG"


async def test_the_command_line_finds_the_stack_from_any_folder_whatever_its_ports(
    stack: LocalStack, tmp_path: Path
) -> None:
    """Nobody has activated an environment or set a port."""
    command = Path(__file__).parents[3] / "takaro"
    told = {"DATABASE_URL", "REDIS_URL", "EVENT_BUS_URL", *stack.ports}
    environment = {name: value for name, value in os.environ.items() if name not in told}
    environment["TAKARO_DATA_DIR"] = str(stack.folder / "data")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    url = f"http://127.0.0.1:{stack.ports['CHAT_PORT']}/api/conversations"
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
        headers = {"X-User-Id": "ann", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        answer = await client.post(url, json={"agentId": "module-writer"}, headers=headers)
    assert answer.is_success

    async def says(part: str, *arguments: str) -> bool:
        run = await asyncio.create_subprocess_exec(
            command,
            *arguments,
            cwd=tmp_path,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await run.communicate()
        return part in out.decode()

    for part, *arguments in (
        ("chat.commands", "streams"),
        ("chat.events", "outbox"),
        ("project-docs", "kb", "list", "--user", "ann"),
        ("POST /api/conversations", "trace", trace),
    ):
        await eventually(partial(says, part, *arguments), timeout=60)


async def test_the_documents_compose_commands_mean_the_same_here(stack: LocalStack) -> None:
    shell, query = database_document.compose_commands("postgres")
    host = {"PGHOST": "localhost", "PGPORT": str(stack.ports["POSTGRES_PORT"]), "PGPASSWORD": "takaro"}
    assert "agent_id" in _shell(query, environment=host)
    assert "takaro" in _shell(shell, "SELECT current_user;", environment=host)
    for command in database_document.compose_commands("redis"):
        assert command.startswith("redis-cli")
        if command not in ("redis-cli", "redis-cli MONITOR"):
            assert "WRONGTYPE" not in _redis(command, stack)


async def test_monitor_shows_commands_as_they_come(stack: LocalStack) -> None:
    assert "redis-cli MONITOR" in database_document.compose_commands("redis")
    with Redis(port=stack.ports["REDIS_PORT"], decode_responses=True) as client, client.monitor() as monitor:
        client.get("seen-by-monitor")
        await eventually(lambda: "seen-by-monitor" in monitor.next_command()["command"])


@pytest.mark.parametrize(("name", "words"), [("chat", "-m chat"), ("origin", "caddy run")])
async def test_a_program_that_dies_is_started_again(stack: LocalStack, name: str, words: str) -> None:
    before = stack.child(words)
    before.kill()
    await eventually(lambda: f"{name} was killed by SIGKILL; starting it again" in stack.said())
    url = f"http://127.0.0.1:{stack.ports['ORIGIN_PORT']}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=NO_TLS) as client:
        await eventually(lambda: _answers(client), timeout=90)
    assert stack.child(words).pid != before.pid


async def test_a_server_that_dies_is_started_again_with_its_data(stack: LocalStack) -> None:
    with psycopg.connect(stack.database_url()) as connection:
        connection.execute("CREATE TABLE survives AS SELECT 1 AS one")
    stack.child("bin/postgres").kill()
    await eventually(lambda: "postgres is up again" in stack.said(), timeout=90)
    with psycopg.connect(stack.database_url()) as connection:
        assert connection.execute("SELECT one FROM survives").fetchone() == (1,)


async def test_a_taken_port_is_named_with_its_setting_and_process(stack: LocalStack, tmp_path: Path) -> None:
    taken = stack.ports["POSTGRES_PORT"]
    second = LocalStack(tmp_path, {"POSTGRES_PORT": taken, "CHAT_PORT": 20999, "COCKPIT_PORT": 20999})
    second.launch()
    assert second.wait() == 1
    pid = stack.child("bin/postgres").pid
    assert f"port {taken} (POSTGRES_PORT) is taken by postgres (pid {pid})" in second.said()
    assert "COCKPIT_PORT and CHAT_PORT are both 20999" in second.said()


async def test_a_second_stack_on_the_same_data_is_refused(stack: LocalStack) -> None:
    second = LocalStack(stack.folder)
    second.own_output = stack.folder / "second.txt"
    second.logs = stack.folder / "second-logs.txt"
    second.launch()
    assert second.wait() == 1
    assert f"another local stack (pid {stack.pid}) runs on {stack.folder / 'data'}" in second.said()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/chat/ready")).status_code == 200
    except httpx.TransportError:
        return False


def _on_ports(command: str, stack: LocalStack) -> str:
    """The command as it stands where the document's ports were free, else on the stack's."""
    for documented, setting in (("5433", "POSTGRES_PORT"), ("6379", "REDIS_PORT")):
        command = command.replace(documented, str(stack.ports[setting]))
    return command


def _shell(command: str, given: str = "", environment: Mapping[str, str] | None = None) -> str:
    """What a shell prints for the command, the embedded psql on its PATH, ``given`` as its input."""
    path = f"{binary('psql').parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", command],
        input=given,
        env={**os.environ, **(environment or {}), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _redis(command: str, stack: LocalStack) -> str:
    """The answer to a redis-cli command: from the machine's own client, else from ours given the same
    words."""
    program, *words = shlex.split(command)
    port = str(stack.ports["REDIS_PORT"])
    if shutil.which(program):
        return _shell(command if "-p" in words else shlex.join([program, "-p", port, *words])).strip()
    if words[:1] == ["-p"]:
        port, words = words[1], words[2:]
    with Redis(port=int(port), decode_responses=True) as client:
        answer = client.execute_command(*words)
    return "PONG" if answer is True else str(answer)

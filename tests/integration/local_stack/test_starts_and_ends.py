"""``make run``, each time anew: as whom and on whose servers it starts, and what it leaves when it ends."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from tests.support.local_stack import LocalStack
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(240)


@pytest.mark.large
async def test_killed_it_leaves_no_process_and_the_next_start_finds_its_data(tmp_path: Path) -> None:
    stack = await LocalStack(tmp_path).start()
    with psycopg.connect(stack.database_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    stack.end(signal.SIGKILL)
    await eventually(lambda: not stack.left_over() and stack.ports_are_free())

    await stack.start()
    with psycopg.connect(stack.database_url()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    assert stack.end() == 0
    assert not stack.left_over()
    assert stack.ports_are_free()


@pytest.mark.large
async def test_it_runs_as_an_ordinary_user(tmp_path: Path) -> None:
    """As the user who runs the tests; for root, as user 1000 of a namespace."""
    stack = LocalStack(tmp_path)
    if os.geteuid() == 0:
        stack.launcher = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
        if not _runs(stack.launcher):
            pytest.skip("this machine gives no user namespaces, and the tests run as root")
    await stack.start()
    uids = {child.name(): child.uids().real for child in stack.left_over()}
    with psycopg.connect(stack.database_url()) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    owners = {path.name: path.stat().st_uid for path in (tmp_path / "data").iterdir()}
    assert set(owners.values()) == {os.geteuid()}, "no user of the system's own was needed"
    assert set(uids.values()) == {os.geteuid()}
    assert stack.end() == 0
    assert not stack.left_over()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
async def test_a_signal_while_it_starts_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    stack = LocalStack(tmp_path)
    stack.launch()
    await eventually(lambda: "servers are up" in stack.said(), timeout=90)
    assert stack.end(number) == 0
    assert not stack.left_over()
    assert stack.ports_are_free()


@pytest.mark.large
async def test_a_closed_terminal_ends_it_although_nobody_sends_a_signal(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path)
    terminal = stack.launch_on_terminal()
    shown = b""
    while b"servers are up" not in shown:
        shown += os.read(terminal, 65536)
    assert stack.left_over()
    os.close(terminal)
    assert stack.wait() == 0
    assert not stack.left_over()
    assert stack.ports_are_free()


@pytest.mark.large
async def test_a_database_of_yours_is_used_instead_of_an_embedded_one(
    tmp_path: Path, empty_database: str, redis_url: str
) -> None:
    stack = LocalStack(tmp_path)
    stack.extra = {"DATABASE_URL": empty_database, "REDIS_URL": redis_url}
    stack.launch()
    await eventually(lambda: "migrated in" in stack.said(), timeout=90)
    assert not stack.end()
    made = {path.name for path in (tmp_path / "data").iterdir()}
    assert made - {"proxy"} == {"addresses.json", "children.json", "sources", "stack.lock"}, "no servers"
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM conversations").fetchone() == (0,)


def _runs(launcher: Sequence[str]) -> bool:
    return subprocess.run([*launcher, "true"], check=False).returncode == 0

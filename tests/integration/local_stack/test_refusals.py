"""``make run`` with settings that can't work: one line that says what to do, and the stack ends."""

from pathlib import Path

import pytest

from takaro_local.service import REFUSED
from tests.support.local_stack import LocalStack
from tests.support.services import Service
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(240)


@pytest.mark.large
async def test_a_wrong_value_ends_it_with_the_line_of_the_service(tmp_path: Path) -> None:
    """A restart would only say the same again."""
    stack = LocalStack(tmp_path)
    stack.extra = {"STATEMENT_TIMEOUT_SECONDS": "soon"}
    stack.launch()
    assert stack.wait(timeout=200) == 1
    assert "doesn't start with these settings" in stack.said()
    assert "starting it again" not in stack.said()
    assert "STATEMENT_TIMEOUT_SECONDS" in stack.logs.read_text()
    assert "Traceback" not in stack.said() + stack.logs.read_text()
    assert not stack.left_over()


async def test_a_file_that_a_setting_names_is_refused_in_one_line(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    """With the status that tells the stack not to start it again."""
    bases = tmp_path / "bases.yaml"
    bases.write_text("knowledgeBases: [{id: a}]")
    knowledge = Service(
        "knowledge",
        database_url=database,
        redis_url=redis_url,
        folder=tmp_path,
        environment={"KNOWLEDGE_BASES_FILE": str(bases)},
    )
    knowledge.launch()
    try:
        await eventually(lambda: knowledge.exit_code is not None, timeout=60)
    finally:
        await knowledge.kill()
    assert knowledge.exit_code == REFUSED
    [line] = knowledge.log_file.read_text().splitlines()
    assert line.startswith(f"knowledge: KNOWLEDGE_BASES_FILE {bases}: ")


async def test_a_wrong_value_of_its_own_ends_it_before_anything_starts(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path)
    stack.extra = {"DATABASE_URL": "mysql://one/agents"}
    stack.launch()
    assert stack.wait(timeout=200) == 1
    [line] = stack.said().splitlines()
    assert line.startswith("DATABASE_URL: it must look like postgresql://")


async def test_a_data_folder_that_can_t_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stack = LocalStack(tmp_path)
    stack.extra = {"TAKARO_DATA_DIR": str(tmp_path / "file" / "data")}
    stack.launch()
    assert stack.wait(timeout=200) == 1
    [line] = stack.said().splitlines()
    assert f"{tmp_path / 'file' / 'data'} can't be written" in line
    assert "TAKARO_DATA_DIR" in line

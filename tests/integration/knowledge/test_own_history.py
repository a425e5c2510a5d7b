"""This project's own documentation, as its history has it: real pages, added, rewritten and removed."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.knowledge.conftest import Harness
from tests.integration.knowledge.histories import seen
from tests.support.github import GitRepository

pytestmark = pytest.mark.large

ROOT = Path(__file__).resolve().parents[3]
MOST_STEPS = 12
DOCUMENTS = ("docs", "*.md")
SHAPE: dict[str, Any] = {
    "path": "",
    "extensions": [".md"],
    "chunkSize": 4000,
}  # few rows: the index takes time
FILES = "SELECT path FROM knowledge_files WHERE knowledge_base_id = 'handbook'"


@pytest.fixture
def own(tmp_path: Path) -> GitRepository:
    """This checkout's repository, with as much history as it has; only its files if it has none."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[safe]\n\tdirectory = *\n")  # somebody else may have checked it out
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1"}
    copy = tmp_path / "own"
    cloned = subprocess.run(
        ["git", "clone", "-q", "--no-checkout", ROOT, copy], env=environment, capture_output=True, check=False
    )
    repository = GitRepository(copy)
    if cloned.returncode:
        assert not (ROOT / ".git").exists(), cloned.stderr.decode()
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
            repository.write(path.relative_to(ROOT).as_posix(), path.read_bytes())
        repository.commit()
    return repository


def steps_of(commits: Sequence[str]) -> list[str]:
    """At most :data:`MOST_STEPS` of ``commits``, evenly spread, the first and the last among them; and the
    first once more, as a force-push would bring it back."""
    last = len(commits) - 1
    number = min(MOST_STEPS - 1, len(commits))
    spread = [commits[round(step * last / max(1, number - 1))] for step in range(number)]
    return [*spread, commits[0]] if last else spread


async def test_a_sync_along_our_own_history_ends_where_a_full_one_does(
    harness: Harness, own: GitRepository
) -> None:
    commits = own.git("rev-list", "--reverse", "HEAD", "--", *DOCUMENTS).split()
    assert commits
    harness.github.repository = own
    files = set[str]()
    for step, commit in enumerate(steps_of(commits)):
        own.git("update-ref", "refs/heads/main", commit)
        fresh = f"fresh-{step}"
        # Where lines of it meet, the next commit may have hardly any of the files before.
        result = await harness.sync(harness.base(**SHAPE), confirm_removal=True)
        await harness.sync(harness.base(fresh, **SHAPE))
        assert result.type == ("incremental" if step else "full")
        assert await harness.commit_of() == commit
        rows = seen(await harness.content())
        assert rows == seen(await harness.content(fresh)), f"step {step}, commit {commit}"
        listed = own.git("ls-tree", "-r", "--name-only", commit).splitlines()
        files = {path for path in listed if path.endswith(".md")}
        assert {row["path"] for row in await harness.pool.fetch(FILES)} == files
        assert len(rows) >= len(files)
    assert files

"""A Git repository, and a server that serves it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.github import GitRepository
from tests.support.web import WebServer, git_backend, serve


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = GitRepository(tmp_path / "served" / "handbook.git")
    repository.write("docs/a b.md", "first")
    repository.write("docs/deep/ü.md", "second")
    repository.write("docs-old/a.md", "old")
    repository.write("README.md", "read me")
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.commit("docs")
    return repository


@pytest.fixture
async def server(repository: GitRepository) -> AsyncIterator[WebServer]:
    async with serve(git_backend(repository.path.parent)) as server:
        yield server

"""A Git repository with a server that serves it, and a website."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.github import GitRepository
from tests.support.web import WebServer, git_backend, serve
from tests.support.website import Site


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


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site({"/": "home", "/guide/start": "start here", "/guide/levers/": "pull"})
    async with serve(site.handle) as server:
        site.server = server
        yield site
    await site.readers.close()

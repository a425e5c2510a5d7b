"""For random histories, an incremental sync ends where a fresh full one does, whatever fails on the way."""

import random
from dataclasses import replace
from functools import partial
from hashlib import sha1
from zlib import crc32

import pytest

from tests.integration.knowledge.conftest import Harness, reaching
from tests.integration.knowledge.histories import Followed, UnreliableEmbedder, change, follow, seeds, seen
from tests.support.faults import KINDS, SHARE, BadDays
from tests.support.github import Answer, GitRepository
from tests.support.web import Handler, Request, git_backend, serve

pytestmark = [pytest.mark.large, pytest.mark.timeout(180)]


@pytest.mark.parametrize("seed", range(3))
async def test_an_incremental_sync_equals_a_full_one_at_every_commit(harness: Harness, seed: int) -> None:
    chance = random.Random(seed)
    for step in range(12):
        change(harness.repository, chance)
        await harness.sync()
        fresh = f"fresh-{step}"
        await harness.sync(harness.base(fresh))
        assert seen(await harness.content()) == seen(await harness.content(fresh)), f"step {step}"


@pytest.mark.parametrize("seed", seeds(8, 10))
async def test_it_does_so_with_a_github_and_an_embedder_that_fail_one_call_in_five(
    harness: Harness, seed: int
) -> None:
    chance = random.Random(f"{seed} fails")
    deps = harness.with_embedder(UnreliableEmbedder(chance))
    failed = list[str]()

    def fault(target: str) -> Answer | None:
        if chance.random() >= SHARE:
            return None
        failed.append(target)
        return Answer(502, b"")

    def fail(on: bool) -> None:
        harness.github.fault = fault if on else None

    await follow(harness, seed, Followed(harness.github.source("docs"), deps, fail, alone=True), 8)
    assert failed


@pytest.mark.parametrize("seed", seeds(3))
async def test_it_does_so_with_a_git_remote_and_an_embedder_that_fail_one_call_in_five(
    harness: Harness, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.repository.git("config", "uploadpack.allowFilter", "true")
    backend = git_backend(harness.repository.path.parent)
    await _follow_server(
        harness, monkeypatch, seed, backend, "git+{}/repository#main:docs", steps=5, alone=False
    )


@pytest.mark.parametrize("seed", seeds(4))
async def test_it_does_so_with_a_website_and_an_embedder_that_fail_one_call_in_five(
    harness: Harness, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = _pages_of(harness.repository)
    await _follow_server(harness, monkeypatch, seed, pages, "sitemap+{}/sitemap.xml", steps=8, alone=True)


async def _follow_server(
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    handler: Handler,
    source: str,
    *,
    steps: int,
    alone: bool,
) -> None:
    chance = random.Random(f"{seed} fails")
    days = BadDays(handler, chance)
    # A server that asks for an hour gets it: here the hour is over by the next sync.
    monkeypatch.setattr("knowledge.waiting.later.LONGEST_SECONDS", 0.001)
    async with serve(days) as server:
        deps = replace(reaching(harness, "127.0.0.1"), embedder=UnreliableEmbedder(chance))
        followed = Followed(source.format(server.url), deps, partial(setattr, days, "on"), alone)
        assert await follow(harness, seed, followed, steps)
        await deps.sources.fetcher.close()
    assert days.seen.keys() == set(KINDS)


def _pages_of(repository: GitRepository) -> Handler:
    """A website whose pages are the files below ``docs``: HTML or Markdown, with and without dates and ETags,
    each as its path has it."""

    async def answer(request: Request) -> Answer:
        files = {
            f"/{path.relative_to(repository.path)}": path
            for path in (repository.path / "docs").rglob("*")
            if path.is_file()
        }
        if request.path == "/sitemap.xml":
            urls = "".join(_entry(request, path, file.read_bytes()) for path, file in sorted(files.items()))
            return Answer(200, f"<urlset>{urls}</urlset>".encode(), {"Content-Type": "application/xml"})
        if request.path not in files:
            return Answer(404, b"")
        content, kind = files[request.path].read_bytes(), crc32(request.path.encode())
        headers = {"Content-Type": "text/markdown"}
        if kind & 1:
            headers["Content-Type"] = "text/html; charset=utf-8"
            content = b"<title>A page</title><main><p>" + content + b"</p></main>"
        if kind & 2:
            headers["ETag"] = f'"{sha1(content).hexdigest()}"'
        if request.headers.get("if-none-match", "") == headers.get("ETag"):
            return Answer(304, b"", headers)
        return Answer(200, content, headers)

    return answer


def _entry(request: Request, path: str, content: bytes) -> str:
    dated = f"<lastmod>{sha1(content).hexdigest()}</lastmod>" if crc32(path.encode()) & 4 else ""
    return f"<url><loc>http://{request.headers['host']}{path}</loc>{dated}</url>"


@pytest.mark.parametrize("seed", [2026])
async def test_a_history_of_200_commits_ends_where_a_full_sync_does(harness: Harness, seed: int) -> None:
    """Synced now and then, as a schedule would, with several commits in between; compared at some of them."""
    chance = random.Random(seed)
    print(f"seed {seed}")  # shown when it fails
    left, compared = 200, 0
    while left:
        pushed = min(left, chance.randint(1, 9))
        for _ in range(pushed):
            change(harness.repository, chance)
        left -= pushed
        await harness.sync()
        if left and chance.random() < 0.75:
            continue
        compared += 1
        fresh = f"fresh-{left}"
        await harness.sync(harness.base(fresh))
        assert seen(await harness.content()) == seen(await harness.content(fresh)), f"{left} commits left"
    assert compared > 3

"""A source that has lost most of its files takes them from a base only if somebody says that it is right."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from knowledge.bases.records import KnowledgeBase
from knowledge.registry import use_cases as registry
from knowledge.sync.removals import RemovalUnconfirmed
from knowledge.sync.work import SyncDeps
from servicekit.keysets import Page
from tests.integration.knowledge.conftest import Harness, reaching
from tests.support.github import Answer, GitRepository
from tests.support.web import git_backend, serve
from tests.support.website import Site

FILES = 12
HTML = {"Content-Type": "text/html"}


@dataclass
class Place:
    """A source of twelve pages: the base over it, and what makes its pages vanish and come back."""

    base: KnowledgeBase
    deps: SyncDeps
    vanish: Callable[[], object]
    restore: Callable[[], object]


def text(number: int) -> str:
    return f"Page {number} says something of its own."


@asynccontextmanager
async def folder(harness: Harness, tmp_path: Path, *, only_emptied: bool = False) -> AsyncIterator[Place]:
    """``only_emptied``: its files are there and have no bytes."""
    place, away = tmp_path / "folder", tmp_path / "away"
    place.mkdir()
    for number in range(FILES):
        (place / f"{number}.md").write_text(text(number))

    def vanish() -> None:
        shutil.copytree(place, away, dirs_exist_ok=True)
        for file in list(place.iterdir()):
            file.write_text("") if only_emptied else file.unlink()

    def restore() -> None:
        shutil.copytree(away, place, dirs_exist_ok=True)

    yield Place(harness.base("base", source=place.as_uri()), harness.deps, vanish, restore)


@asynccontextmanager
async def emptied_files(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    async with folder(harness, tmp_path, only_emptied=True) as place:
        yield place


def in_repository(repository: GitRepository) -> tuple[Callable[[], object], Callable[[], object]]:
    """Pages of a repository whose folder keeps one file that the base doesn't take."""
    repository.write("pages/logo.png", b"\x89PNG\x00")
    for number in range(FILES):
        repository.write(f"pages/{number}.md", text(number))
    repository.commit()

    def vanish() -> None:
        repository.git("rm", "-q", *(f"pages/{number}.md" for number in range(FILES)))
        repository.commit()

    def restore() -> None:
        repository.git("revert", "--no-edit", "HEAD")

    return vanish, restore


@asynccontextmanager
async def github(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    yield Place(harness.base("base", "pages"), harness.deps, *in_repository(harness.repository))


@asynccontextmanager
async def git(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    ways = in_repository(harness.repository)
    async with serve(git_backend(harness.repository.path.parent)) as server:
        deps = reaching(harness, "127.0.0.1")
        base = harness.base("base", source=f"git+{server.url}/repository#main:pages")
        yield Place(base, deps, *ways)
        await deps.sources.fetcher.close()


@asynccontextmanager
async def website(
    harness: Harness, sitemap: str | None = None, page: Answer | None = None
) -> AsyncIterator[Place]:
    """``sitemap`` in place of the one with the pages, or ``page`` in place of each page."""
    pages: dict[str, str | Answer] = {f"/{number}": text(number) for number in range(FILES)}
    site = Site(dict(pages))
    async with serve(site.handle) as server:
        site.server = server
        deps = reaching(harness, "127.0.0.1")
        base = harness.base("base", source=f"sitemap+{server.url}/sitemap.xml")

        def vanish() -> None:
            if sitemap is not None:
                site.pages["/sitemap.xml"] = Answer(200, sitemap.encode())
            for path in pages if page else ():
                site.pages[path] = page or ""

        def restore() -> None:
            site.pages = dict(pages)

        yield Place(base, deps, vanish, restore)
        await deps.sources.fetcher.close()


@asynccontextmanager
async def empty_sitemap(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    async with website(harness, sitemap="<urlset/>") as place:
        yield place


@asynccontextmanager
async def sitemap_of_another_host(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    elsewhere = "".join(f"<url><loc>https://other.example/{number}</loc></url>" for number in range(FILES))
    async with website(harness, sitemap=f"<urlset>{elsewhere}</urlset>") as place:
        yield place


@asynccontextmanager
async def pages_not_found(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    async with website(harness, page=Answer(404, b"gone")) as place:
        yield place


@asynccontextmanager
async def pages_of_pictures(harness: Harness, tmp_path: Path) -> AsyncIterator[Place]:
    async with website(harness, page=Answer(200, b"<html></html>", HTML)) as place:
        yield place


KINDS = [
    folder,
    github,
    empty_sitemap,
    pages_not_found,
    *(
        pytest.param(kind, marks=pytest.mark.large)
        for kind in (emptied_files, git, sitemap_of_another_host, pages_of_pictures)
    ),
]


async def shown(harness: Harness) -> tuple[str, str | None]:
    """State and error, as the base shows them."""
    pages = registry.list_bases(harness.pool, "ada", Page(None, "asc", None))
    [view] = [view async for page in pages for view in page]
    return view.state, view.last_error


@pytest.mark.parametrize("kind", KINDS)
async def test_most_of_a_base_is_removed_only_when_that_is_confirmed(
    harness: Harness, tmp_path: Path, kind: Any
) -> None:
    async with kind(harness, tmp_path) as place:

        async def sync(**more: Any) -> Any:
            return await harness.sync(place.base, deps=place.deps, **more)

        assert (await sync()).added >= FILES
        before, commit = await harness.content("base"), await harness.commit_of("base")
        place.vanish()
        for mode in ("incremental", "full", "incremental"):
            with pytest.raises(RemovalUnconfirmed, match="confirmRemoval: true"):
                await sync(mode=mode)
            assert await harness.content("base") == before, "rows as they were, not even written again"
            assert await harness.commit_of("base") == commit
        state, error = await shown(harness)
        assert state == "failed"
        assert f"{FILES} of the base's" in str(error)
        assert "takaro kb sync base --confirm-removal" in str(error)
        last = (await harness.facts("base"))[-1]
        assert (last["type"], last["data"]["reason"]) == ("knowledge.sync.failed.v1", error)

        place.restore()
        await sync()
        assert await shown(harness) == ("idle", None), "nothing has to be confirmed once the files are back"
        assert [row[2] for row in await harness.content("base")] == [row[2] for row in before]
        place.vanish()
        await sync(confirm_removal=True)
        assert await harness.content("base") == []
        assert await shown(harness) == ("idle", None)


async def pages(harness: Harness, count: int = FILES) -> KnowledgeBase:
    for number in range(count):
        harness.repository.write(f"pages/{number}.md", text(number))
    harness.repository.commit()
    base = harness.base("base", "pages")
    await harness.sync(base)
    return base


async def test_what_is_ordinary_work_needs_no_word(harness: Harness) -> None:
    base = await pages(harness)
    for number in range(FILES // 2):
        harness.repository.git("rm", "-q", f"pages/{number}.md")
    harness.repository.commit()
    assert (await harness.sync(base)).removed == FILES // 2, "half of it remains"
    for number in range(FILES):
        harness.repository.write(f"pages/{number}.md", text(number))
    harness.repository.commit()
    await harness.sync(base)
    for number in range(FILES):
        harness.repository.rename(f"pages/{number}.md", f"pages/new/{number}.md")
    harness.repository.commit()
    assert (await harness.sync(base)).removed == FILES, "moved, not lost"
    for number in range(FILES):
        harness.repository.write(f"pages/new/{number}.md", "Short.")
    harness.repository.commit()
    await harness.sync(base)
    harness.repository.write("pages/new/0.md", "One long page. " * 1000)
    harness.repository.commit()
    await harness.sync(base)
    harness.repository.write("pages/new/0.md", "Short again.")
    harness.repository.commit()
    assert (await harness.sync(base)).modified == 1, "a page may be shortened"


async def test_one_file_that_is_most_of_a_base_counts_by_its_chunks(harness: Harness) -> None:
    harness.repository.write("pages/all.md", "Every lever has a label of its own. " * 2000)
    base = await pages(harness)
    harness.repository.git("rm", "-q", "pages/all.md")
    harness.repository.commit()
    with pytest.raises(RemovalUnconfirmed, match=f"1 of the base's {FILES + 1} files"):
        await harness.sync(base)
    assert (await harness.sync(base, confirm_removal=True)).removed == 1
    assert (await harness.sync(base)).type == "skipped"


async def test_a_new_definition_and_a_small_base_need_no_word(harness: Harness) -> None:
    base = await pages(harness)
    narrower = replace(base, include=("pages/1.md",))
    assert (await harness.sync(narrower)).removed == FILES - 1
    await harness.sync(base)
    harness.repository.write("other/a.md", "Another folder.")
    harness.repository.commit()
    other = replace(base, source=harness.github.source("other"))
    assert (await harness.sync(other)).removed == FILES
    small = harness.base("small", "small")
    for number in range(9):
        harness.repository.write(f"small/{number}.md", text(number))
    harness.repository.commit()
    await harness.sync(small)
    harness.repository.git("rm", "-q", *(f"small/{number}.md" for number in range(1, 9)))
    harness.repository.commit()
    assert (await harness.sync(small)).removed == 8


async def test_files_that_cannot_be_read_have_not_vanished(harness: Harness) -> None:
    base = await pages(harness)
    for number in range(FILES):
        harness.repository.write(f"pages/{number}.md", f"Changed {number}.")
    harness.repository.commit()
    harness.github.fault = lambda target: Answer(500, b"") if "/raw/" in target else None
    with pytest.raises(Exception, match="could not be read"):
        await harness.sync(base)
    harness.github.fault = None
    assert (await harness.sync(base)).modified == FILES

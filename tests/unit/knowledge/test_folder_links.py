"""Links that replace part of a path between its check and its opening: they lead nowhere."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import NotFound
from knowledge.documents import FileUnreadable
from knowledge.sources import SourceFile
from knowledge.sources.folder.source import FolderSource
from knowledge.sources.selection import Selection, git_blob_sha

SECRET = "the same in both, so that only the way to it tells them apart"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for folder in (tmp_path / "docs", tmp_path / "secret"):
        (folder / "sub").mkdir(parents=True)
        (folder / "a.md").write_text("secret" if folder.name == "secret" else "open")
        (folder / "sub" / "b.md").write_text(SECRET)
    return tmp_path / "docs"


def put_link(place: Path) -> None:
    """A link to the same place among the secrets."""
    place.rename(place.with_name(f".{place.name}-away"))
    place.symlink_to(str(place).replace("/docs", "/secret", 1))


class Meanwhile(Selection):
    """Takes every path, and runs something meanwhile: the path is checked, but not open yet."""

    happens: Callable[[str], None]

    def takes(self, path: str) -> bool:
        self.happens(path)
        return True


def meanwhile(happens: Callable[[str], None]) -> Selection:
    selection = Meanwhile()
    object.__setattr__(selection, "happens", happens)
    return selection


@pytest.mark.parametrize("place", ["a.md", "sub/b.md", "sub"])
async def test_a_link_that_comes_between_look_and_listing_is_not_followed(docs: Path, place: str) -> None:
    def swap(path: str) -> None:
        if path.startswith(place) and not (docs / place).is_symlink():
            put_link(docs / place)

    (docs.parent / "secret" / "sub" / "b.md").write_text("another one")
    source = FolderSource(docs, [docs], meanwhile(swap))
    files = {file.path: file for file in await source.list_files(await source.newest_commit())}
    assert (docs / place).is_symlink()
    expected = {"a.md": git_blob_sha(b"open"), "sub/b.md": git_blob_sha(SECRET.encode())}
    if place != "sub":  # a folder that was looked at is read wherever it has gone
        expected[place] = git_blob_sha(b"unreadable")
    assert {path: file.content_sha for path, file in files.items()} == expected
    with pytest.raises(FileUnreadable):
        await source.read(files["a.md" if place == "a.md" else "sub/b.md"], "")


@pytest.mark.parametrize("place", ["sub/b.md", "sub", ""])
async def test_a_link_that_comes_between_listing_and_reading_is_not_followed(docs: Path, place: str) -> None:
    source = FolderSource(docs, [docs], Selection())
    files = {file.path: file for file in await source.list_files(await source.newest_commit())}
    assert await source.read(files["sub/b.md"], "") == SECRET.encode()
    put_link(docs / place)
    with pytest.raises(FileUnreadable):
        await source.read(files["sub/b.md"], "")


@pytest.mark.parametrize("named", ["docs", "docs/a.md", "docs/sub"])
async def test_the_folder_itself_may_become_a_link_after_it_was_allowed(docs: Path, named: str) -> None:
    class Swapping(tuple[Path, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[Path]:
            put_link(docs)
            return super().__iter__()

    source = FolderSource(docs.parent / named, Swapping([docs.parent]), Selection())
    with pytest.raises(NotFound, match="what was indexed is kept"):
        await source.newest_commit()


async def test_a_link_on_the_way_to_the_folder_is_the_operator_s_own(docs: Path) -> None:
    (docs.parent / "current").symlink_to(docs)
    source = FolderSource(docs.parent / "current" / "sub", [docs.parent / "current"], Selection())
    [file] = await source.list_files(await source.newest_commit())
    assert await source.read(file, "") == SECRET.encode()


async def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(docs: Path) -> None:
    def swap(path: str) -> None:
        if path == "a.md":
            (docs / path).unlink()
            os.mkfifo(docs / path)

    source = FolderSource(docs, [docs], meanwhile(swap))
    files = {file.path: file for file in await source.list_files(await source.newest_commit())}
    assert files["a.md"] == SourceFile("a.md", git_blob_sha(b"unreadable"), 0)

"""Folders of syncs: they don't outlive their process, and no other process's folder is deleted."""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from knowledge.sources import work_folder
from knowledge.sources.work_folder import WorkFolder, remove_abandoned

_MAKER = """
import sys
from knowledge.sources.work_folder import WorkFolder
for kind in ("git", "site"):
    folder = WorkFolder.create(kind)
    (folder.path / "objects").mkdir()
    (folder.path / "objects" / "pack").write_bytes(b"much")
    print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_lasts_for_as_long_as_its_process(temporary: Path) -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", _MAKER],
        env={"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with maker:
        assert maker.stdout is not None
        made = {Path(maker.stdout.readline().strip()) for _ in range(2)}
        assert set(temporary.iterdir()) == made
        assert remove_abandoned() == []
        assert set(temporary.iterdir()) == made, "its process lives"
        maker.kill()
        maker.wait()
        assert set(temporary.iterdir()) == made, "nothing was left behind: what is tested?"
        assert set(remove_abandoned()) == made
    assert list(temporary.iterdir()) == []


def test_this_process_s_own_folders_stay_until_they_are_removed(temporary: Path) -> None:
    folder = WorkFolder.create("git")
    (folder.path / "pack").write_bytes(b"much")
    assert remove_abandoned() == []
    assert (folder.path / "pack").exists()
    folder.remove()
    assert list(temporary.iterdir()) == []


def test_only_folders_of_syncs_are_removed(temporary: Path) -> None:
    others = [temporary / "takaro-tests-1", temporary / "git", temporary / "takaro-git-linked"]
    (temporary / "takaro-tests-1").mkdir()
    (temporary / "git").mkdir()
    (temporary / "git" / "kept").write_text("kept")
    (temporary / "takaro-git-linked").symlink_to(temporary / "git")
    (temporary / "takaro-site-file").write_text("no folder")
    (temporary / "takaro-git-old").mkdir()
    assert remove_abandoned() == [temporary / "takaro-git-old"]
    assert {*others, temporary / "takaro-site-file"} == set(temporary.iterdir())
    assert (temporary / "git" / "kept").exists()


def test_a_folder_that_was_taken_away_before_it_was_locked_is_created_again(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, taken = work_folder._open, list[Path]()

    def late(path: Path) -> int | None:
        folder = opened(path)
        if not taken:
            taken.append(path)
            assert remove_abandoned() == [path]
        return folder

    monkeypatch.setattr(work_folder, "_open", late)
    folder = WorkFolder.create("git")
    assert list(temporary.iterdir()) == [folder.path]
    assert taken != [folder.path]
    folder.remove()


def test_a_folder_that_is_just_being_made_is_never_taken_away() -> None:
    """Between its creation and its locking it looks abandoned; the process that is given a folder owns it."""
    done = threading.Event()
    taken: list[Path] = []

    def clean() -> None:
        while not done.is_set():
            taken.extend(remove_abandoned())

    cleaner = threading.Thread(target=clean)
    cleaner.start()
    try:
        for _ in range(300):
            folder = WorkFolder.create("site")
            (folder.path / "page").write_text("text")
            assert folder.path not in taken
            folder.remove()
    finally:
        done.set()
        cleaner.join()

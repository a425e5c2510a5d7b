"""Files of this machine, opened without following a link anywhere on the way.

A path that was checked may have changed when it is opened: anyone who may write there can replace it with a
link. So each folder is opened by its name inside the one above, and refused if it isn't a folder then.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
"""For folders that are passed through, not listed: Linux then needs no read permission."""


@contextmanager
def folder_at(path: Path) -> Iterator[int]:
    """A descriptor of the folder at ``path``, which is absolute and has no links. Raises ``OSError``."""
    root = os.open(path.anchor, _FOLDER)
    try:
        with folder_below(root, path.parts[1:]) as folder:
            yield folder
    finally:
        os.close(root)


@contextmanager
def folder_below(folder: int, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of the folder to which ``parts`` lead from ``folder``. Raises ``OSError``."""
    current = os.dup(folder)
    try:
        for part in parts:
            following = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def open_file(folder: int, name: str) -> BinaryIO:
    """The regular file ``name`` in ``folder``. Raises ``OSError`` for a link and anything else."""
    # Opening a pipe without a writer would block.
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", name)
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def regular_files(folder: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every regular file below ``folder``: its path's parts, and a descriptor of its folder, open until the
    next file. Links and hidden folders are skipped. Raises ``OSError`` for a folder that can't be read."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        with folder_below(folder, parts) as current:
            readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
            try:
                with os.scandir(readable) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
                for entry in found:
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        waiting.append((*parts, entry.name))
                    elif entry.is_file(follow_symlinks=False):
                        yield (*parts, entry.name), current
            finally:
                os.close(readable)

"""Folders for what one sync fetches. They are deleted with the sync, or at the next start after a crash.

The process that creates a folder holds a lock on it (``flock``) until it ends; the kernel releases the lock
however the process ends. So a folder that can be locked has no owner. This also holds among containers that
share a temporary folder.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["git", "site"]

_PREFIXES: dict[Kind, str] = {"git": "takaro-git-", "site": "takaro-site-"}


@dataclass(slots=True, frozen=True)
class WorkFolder:
    """A folder, empty at first, that only its creator uses."""

    path: Path
    _lock: int

    @classmethod
    def create(cls, kind: Kind) -> "WorkFolder":
        """Create one in the machine's temporary folder (``TMPDIR``)."""
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIXES[kind]))
            # Between these two lines it looks abandoned, and another process may delete it.
            lock = _open(path)
            if lock is None:
                continue
            if _try_lock(lock) is not False and _is_at(path, lock):
                return cls(path, lock)
            os.close(lock)

    def remove(self) -> None:
        """Delete it with its contents."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned() -> list[Path]:
    """Delete this user's folders of processes that have ended. Returns those that could be deleted."""
    found = Path(tempfile.gettempdir()).iterdir()
    names = tuple(_PREFIXES.values())
    return [path for path in found if path.name.startswith(names) and _removed(path)]


def _removed(path: Path) -> bool:
    with _opened(path) as lock:
        if lock is None or os.fstat(lock).st_uid != os.geteuid() or not _try_lock(lock):
            return False
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    lock = _open(path)
    try:
        yield lock
    finally:
        if lock is not None:
            os.close(lock)


def _open(path: Path) -> int | None:
    """A descriptor of the folder; ``None`` if it doesn't exist (any more) or isn't ours to open."""
    with suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    return None


def _try_lock(folder: int) -> bool | None:
    """Whether no other process had locked it; ``None`` if the file system has no locks."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(path: Path, folder: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(folder))
    except FileNotFoundError:
        return False

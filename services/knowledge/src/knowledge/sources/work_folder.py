"""Folders for what one sync fetches. They go with the sync, and with the next start after a crash.

Each is locked (``flock``) by whoever made it, for as long as that process has it: the kernel lets go of the
lock however the process ends. So one that can be locked is nobody's, whichever of a machine's processes it
belonged to, or of its containers with a temporary folder in common.
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
    """An empty folder at first, of its maker alone."""

    path: Path
    _lock: int

    @classmethod
    def create(cls, kind: Kind) -> "WorkFolder":
        """Make one in the machine's temporary folder (``TMPDIR``)."""
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIXES[kind]))
            # Between these two lines it looks abandoned, and may be taken away.
            lock = _open(path)
            if lock is None:
                continue
            if _try_lock(lock) is not False and _is_at(path, lock):
                return cls(path, lock)
            os.close(lock)

    def remove(self) -> None:
        """Delete it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned() -> list[Path]:
    """Delete this user's folders of processes that are gone; what could be deleted."""
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
    """A descriptor of the folder itself; ``None`` where there is none (any more) that is ours to open."""
    with suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    return None


def _try_lock(folder: int) -> bool | None:
    """Whether nobody else had locked it; ``None`` where the file system knows no locks."""
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

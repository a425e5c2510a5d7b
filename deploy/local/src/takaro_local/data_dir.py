"""The data folder: used by one stack at a time, with a record of the processes that the stack started."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from takaro_local import process
from takaro_local.files import replace_file

_ORPHAN_ENDINGS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))


class DataDirError(Exception):
    """The data folder can't be used: the message says why, and what to do."""


class DataDirTakenError(DataDirError):
    """Another local stack uses this data folder."""


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Lock the data folder, and create it if needed. Raises DataDirTakenError if another stack has locked it,
    DataDirError if it can't be written.

    The kernel releases the lock when this process ends, for whatever reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "stack.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataDirError(
            f"the data folder {folder} can't be written ({error.strerror}): set TAKARO_DATA_DIR to another"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode().strip() or "unknown"
            raise DataDirTakenError(
                f"another local stack (pid {holder}) runs on {folder}: stop it, or set TAKARO_DATA_DIR "
                "(and the ports) to run a second one beside it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


class Children:
    """A record of this stack's processes, so that the next start can end those that outlived a crash.

    On Linux the kernel ends them with the stack. The record is for other systems, and for slow processes.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "children.json"
        self._born: dict[int, float] = {}

    def add(self, pid: int) -> None:
        """Record a running child."""
        try:
            self._born[pid] = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        self._write()

    def remove(self, pid: int) -> None:
        """Remove a child that ended from the record."""
        self._born.pop(pid, None)
        self._write()

    def end_orphans(self) -> list[int]:
        """End processes that an earlier stack left; return their ids. Call it only with the folder locked."""
        orphans = [pid for pid, born in self._recorded().items() if _is_same(pid, born)]
        for pid in orphans:
            process.end(pid, _ORPHAN_ENDINGS)
        self._write()
        return orphans

    def _recorded(self) -> dict[int, float]:
        try:
            return {int(pid): float(born) for pid, born in json.loads(self._file.read_text()).items()}
        except (FileNotFoundError, ValueError):
            return {}

    def _write(self) -> None:
        replace_file(self._file, json.dumps(self._born))


def _is_same(pid: int, born: float) -> bool:
    try:
        found = psutil.Process(pid)
        return found.status() != psutil.STATUS_ZOMBIE and abs(found.create_time() - born) < 1
    except psutil.NoSuchProcess:
        return False

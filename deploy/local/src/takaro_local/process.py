"""Child processes that end with us. Each has its own session, so that Ctrl-C reaches only the parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

Child = subprocess.Popen[bytes]

_GUARD = str(Path(__file__).with_name("guard.py"))


def guarded(command: Sequence[str], *, death_signal: signal.Signals, user: str | None = None) -> list[str]:
    """The command line that runs ``command`` under the guard. On Linux it gets ``death_signal`` when we die.

    Start it from a thread that lives as long as the process, because the kernel watches that thread.
    """
    prefix = [sys.executable, "-I", "-S", _GUARD, str(os.getpid()), str(int(death_signal)), user or "-", "--"]
    return [*prefix, *command]


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    death_signal: signal.Signals,
    user: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start ``command`` in its own session, with stdout and stderr written to ``output``."""
    return subprocess.Popen(
        guarded(command, death_signal=death_signal, user=user),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=None if environment is None else dict(environment),
        start_new_session=True,
    )


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants, ancestors first; empty if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_family(pid: int, number: signal.Signals) -> list[psutil.Process]:
    """Send a signal to the process and all its descendants; return all of these processes."""
    processes = family(pid)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    return processes


def end(pid: int, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Try each ``(signal, seconds to wait)`` on the process until it ends, then kill what remains."""
    members = family(pid)
    if not members:
        return
    for number, patience in signals:
        with suppress(psutil.NoSuchProcess):
            members[0].send_signal(number)
        members = _alive(members, patience)
        if not members:
            return
        members = list(dict.fromkeys(each for process in members for each in family(process.pid)))
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _alive(members, 10)


def _alive(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """The processes that are still alive after ``patience`` seconds. A zombie counts as ended."""
    deadline = time.monotonic() + patience
    while alive := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

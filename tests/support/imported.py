"""What the forks of :mod:`tests.support.forks` begin with: every service, and ``takaro``, imported."""

import atexit
import ctypes
import gc
import importlib
import os
import pkgutil
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import takaro_operator

_PR_SET_PDEATHSIG = 1

for _module in pkgutil.iter_modules(takaro_operator.__path__):
    importlib.import_module(f"takaro_operator.{_module.name}")
for _service in ("chat", "knowledge", "cockpit"):
    importlib.import_module(f"{_service}.app")
# A fork that collected garbage would copy all of this to look through it.
gc.collect()
gc.freeze()


@dataclass(slots=True, frozen=True)
class Job:
    """A program and what it is given. ``files`` are its standard input, output and errors; the last two are
    appended to."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    cwd: str
    files: Sequence[str]


def run(job: Job) -> None:
    """``python -m module``, or ``takaro``, in this process; it ends as that ends, exit functions included."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.environ.clear()
    os.environ.update(job.environment)
    os.chdir(job.cwd)
    _open(job.files)
    sys.argv = [job.module, *job.arguments]
    try:
        if job.module == "takaro":
            takaro_operator.app()
        else:
            runpy.run_module(job.module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()


def _open(files: Sequence[str]) -> None:
    for descriptor, (path, flags) in enumerate(
        zip(files, (os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_APPEND), strict=True)
    ):
        os.dup2(os.open(path, flags), descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        open(descriptor, mode, closefd=False, encoding="utf-8")  # noqa: SIM115 - for as long as the process
        for descriptor, mode in enumerate("rww")
    )

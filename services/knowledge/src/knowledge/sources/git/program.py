"""Runs Git for one repository of one sync: without others' settings, limited in time and space."""

import asyncio
import os
import re
import resource
import signal
from contextlib import nullcontext, suppress
from pathlib import Path

from common.errors import PermanentError, TransientError
from knowledge.waiting.slots import waiting_for
from knowledge.web.address import origin_of, site_of
from knowledge.web.fetching import USER_AGENT, Fetcher

OLDEST = (2, 37)
"""``http.curloptResolve``, which pins the checked address, came with Git 2.37."""

TIMEOUT_SECONDS = 900.0
LOOK_SECONDS = 0.5
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
"""Of one command: some 700,000 files. A few small trees that hold each other can list any number."""

_MAX_ERROR_BYTES = 64 * 1024
_PART_BYTES = 64 * 1024
_GIT_MEMORY_BYTES = 1 << 30
"""What Git may take beside the repository, which it maps into its memory."""

_PASSED_ON = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "TMPDIR")
_PROXIES = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "http.followRedirects": "false",  # followed and checked before; also disables http-alternates
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "http.userAgent": f"git/{USER_AGENT}",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "transfer.bundleURI": "false",
}


class TooMuch(Exception):
    """A command says more than it may."""


class GitFailed(TransientError):
    """A git command failed. The reason contains its last output."""

    default_code = "git_failed"


class Git:
    """A bare repository in ``folder`` whose ``origin`` is ``url``, with a checked and pinned address."""

    def __init__(self, folder: Path, url: str, environment: dict[str, str], max_bytes: int) -> None:
        self._folder, self._environment, self._max_bytes = folder, environment, max_bytes
        self._site = site_of(url)

    @classmethod
    async def create(cls, folder: Path, url: str, fetcher: Fetcher, max_bytes: int) -> "Git":
        """Create the repository. Raises ``PermanentError`` without a recent enough Git."""
        git = cls(folder, url, await _environment(folder, url, fetcher), max_bytes)
        await _check_version(git)
        await git.run("init", "-q", "--bare", "--template=", ".")
        await git.run("remote", "add", "origin", url)
        return git

    async def run(self, *args: str, stdin: bytes = b"", limited: bool = False) -> bytes:
        """The command's output. A ``limited`` command is killed if the repository outgrows its limit.

        Raises :class:`GitFailed`, also after ``TIMEOUT_SECONDS``, and ``PermanentError`` for the limits.
        """
        # uvloop reports an error if a short command has closed the pipe before we do.
        process = await self.start(*args, talks=bool(stdin))
        talk = asyncio.ensure_future(_talk(process, stdin))
        try:
            # A limited command fetches, from a server that may be silent.
            waits = waiting_for(self._site) if limited else nullcontext()
            async with waits, asyncio.timeout(TIMEOUT_SECONDS):
                while not talk.done():
                    await asyncio.wait([talk], timeout=LOOK_SECONDS)
                    if limited and not talk.done():
                        await self._check_size()
            if limited:
                await self._check_size()
        except TimeoutError as error:
            raise GitFailed(f"git {args[0]}: not done within {TIMEOUT_SECONDS:g} s") from error
        finally:
            await end(process)
            with suppress(Exception):
                await talk
        try:
            out, err = talk.result()
        except TooMuch as error:
            raise PermanentError(
                f"git {args[0]} lists more than {MAX_OUTPUT_BYTES // 2**20} MB: the repository has too many "
                "files; a source of one of its folders has fewer",
                code="source_too_large",
            ) from error
        if process.returncode:
            words = " ".join(err.decode(errors="replace").split())[-300:]
            raise GitFailed(f"git {args[0]}: {words or f'exit status {process.returncode}'}")
        return out

    async def start(
        self, *args: str, offline: bool = False, talks: bool = True
    ) -> asyncio.subprocess.Process:
        """The running command. ``offline``: it may not fetch missing objects. ``talks``: it reads from a
        pipe."""
        environment = {**self._environment, **({"GIT_ALLOW_PROTOCOL": "none"} if offline else {})}
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                "--literal-pathspecs",
                *args,
                cwd=self._folder,
                env=environment,
                stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise PermanentError(
                "git is not installed: sources of this kind need it", code="git_missing"
            ) from error

        most = 2 * self._max_bytes + _GIT_MEMORY_BYTES
        # Only Linux can; it may have ended; and the service's own limit (ulimit -v) may be lower already.
        with suppress(AttributeError, ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (most, most))
        return process

    def boundary(self) -> set[str]:
        """The commits whose parents were not fetched; empty for a complete history."""
        shallow = self._folder / "shallow"
        return set(shallow.read_text().split()) if shallow.exists() else set()

    async def _check_size(self) -> None:
        size = await asyncio.to_thread(_size_of, self._folder)
        if size > self._max_bytes:
            raise PermanentError(
                f"the repository is larger than {self._max_bytes:,} bytes (SOURCE_MAX_BYTES)",
                code="source_too_large",
            )


async def _talk(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[bytes, bytes]:
    """What it says after ``stdin``, and the end of what it says of errors, once it has ended. Raises
    :class:`TooMuch`."""
    out, err, _ = await asyncio.gather(
        _whole(process.stdout), _end_of(process.stderr), _tell(process.stdin, stdin)
    )
    await process.wait()
    return out, err


async def _tell(pipe: asyncio.StreamWriter | None, said: bytes) -> None:
    if pipe is None:
        return
    with suppress(ConnectionError):  # it ended without having read all
        pipe.write(said)
        await pipe.drain()
    pipe.close()


async def _whole(pipe: asyncio.StreamReader | None) -> bytes:
    said = bytearray()
    while pipe and (part := await pipe.read(_PART_BYTES)):
        said += part
        if len(said) > MAX_OUTPUT_BYTES:
            raise TooMuch
    return bytes(said)


async def _end_of(pipe: asyncio.StreamReader | None) -> bytes:
    said = b""
    while pipe and (part := await pipe.read(_PART_BYTES)):
        said = (said + part)[-_MAX_ERROR_BYTES:]
    return said


async def end(process: asyncio.subprocess.Process) -> None:
    """Make sure that a process and its children have ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # asyncio tells of the end only once what was said has been read, also what nobody wants any more.
        await asyncio.gather(process.wait(), _read_out(process.stdout), _read_out(process.stderr))


async def _read_out(pipe: asyncio.StreamReader | None) -> None:
    with suppress(RuntimeError):  # it is being read already
        while pipe and await pipe.read(_PART_BYTES):
            pass


async def _environment(folder: Path, url: str, fetcher: Fetcher) -> dict[str, str]:
    settings = dict(_SETTINGS)
    passed_on: tuple[str, ...] = _PASSED_ON
    _, host, port = origin_of(url)
    if addresses := await fetcher.addresses(url):
        pinned = ",".join(f"[{address}]" if ":" in address else address for address in addresses)
        if not _is_address(host):
            settings["http.curloptResolve"] = f"{host}:{port}:{pinned}"
    else:
        passed_on += _PROXIES
    if authorization := fetcher.authorization(url):
        settings["http.extraHeader"] = f"Authorization: {authorization}"
    environment = {name: os.environ[name] for name in passed_on if name in os.environ}
    environment |= {
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    # In the environment rather than on the command line, where every user of the machine could read the
    # password.
    for index, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return environment


async def _check_version(git: Git) -> None:
    said = (await git.run("version")).decode()
    found = re.search(r"(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise PermanentError(
            f"{said.strip()} is too old: sources of this kind need {OLDEST[0]}.{OLDEST[1]}",
            code="git_missing",
        )


def _is_address(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[\d.]+", host) is not None


def _size_of(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # git renames its temporary files
                total += os.lstat(os.path.join(root, name)).st_size
    return total

"""A real Git repository behind GitHub's REST API shape: commits (with ETags), trees, blobs, raw content.

Everything is answered by ``git`` itself, so hashes, history and paths are real. Calls are counted, and a test
can make some of them fail.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}


class GitRepository:
    """A repository in ``path`` with branch ``main``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self._reading = threading.Lock()
        self._reader: subprocess.Popen[bytes] | None = None

    def git(self, *args: str, stdin: str = "") -> str:
        return self.git_bytes(*args, stdin=stdin.encode()).decode().strip()

    def git_bytes(self, *args: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *args], cwd=self.path, env=_IDENTITY, check=True, capture_output=True, input=stdin
        ).stdout

    def blob(self, name: str) -> bytes | None:
        """The content of a blob by its hash or ``commit:path``; None if there is none. One process answers
        for all of them, until :meth:`close`."""
        if "\n" in name:
            return self.git_bytes("cat-file", "blob", name)
        with self._reading:
            if self._reader is None:
                self._reader = subprocess.Popen(
                    ["git", "cat-file", "--batch"],
                    cwd=self.path,
                    env=_IDENTITY,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            asked, answers = self._reader.stdin, self._reader.stdout
            assert asked is not None
            assert answers is not None
            asked.write(os.fsencode(name) + b"\n")
            asked.flush()
            facts = answers.readline().split()
            if facts[-1] in (b"missing", b"ambiguous"):
                return None
            content = answers.read(int(facts[2]) + 1)[:-1]
            return content if facts[1] == b"blob" else None

    def close(self) -> None:
        """End the process that answers for blobs."""
        if self._reader is not None:
            self._reader.communicate()
            self._reader = None

    def commit(self, message: str = "change") -> str:
        """Commit the current working tree. Returns the commit's hash."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def write(self, path: str, content: str | bytes) -> None:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def remove(self, path: str) -> None:
        (self.path / path).unlink()

    def rename(self, old: str, new: str) -> None:
        (self.path / new).parent.mkdir(parents=True, exist_ok=True)
        (self.path / old).rename(self.path / new)


@dataclass(slots=True)
class Answer:
    """``sent``: how many bytes of the body go out before the connection ends; ``None``: all of them."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None


_NOT_FOUND = Answer(404, b'{"message": "Not Found"}')

Fault = Callable[[str], Answer | None]
"""Given the request's path and query, an answer instead of the real one, or ``None``."""


@dataclass
class FakeGitHub:
    """Serves ``repository`` as ``acme/handbook``, below ``prefix``. ``calls`` counts by kind: commits, trees,
    blobs, raw; ``not_modified`` those answered 304, which cost nothing of a rate limit. Once it has another
    ``name``, the API redirects to the repository's ``number``, as GitHub does; contents have that name.
    """

    repository: GitRepository
    url: str = ""
    fault: Fault | None = None
    truncate_trees: bool = False
    token: str | None = None
    prefix: str = ""
    number: int = 7
    name: str = "acme/handbook"
    not_modified: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def api_url(self) -> str:
        return self.url + self.prefix

    @property
    def raw_url(self) -> str:
        return f"{self.url}/raw"

    def source(self, path: str = "", branch: str = "main") -> str:
        return f"https://github.com/acme/handbook/tree/{branch}/{path}".rstrip("/")

    def answer(self, target: str, authorization: str | None) -> Answer:
        parts = urlsplit(target)
        path, query = unquote(parts.path).removeprefix(self.prefix), parse_qs(parts.query)
        if self.fault and (instead := self.fault(target)):
            return instead
        if self.token and authorization != f"Bearer {self.token}":
            return Answer(401, b'{"message": "Bad credentials"}')
        if self.name != "acme/handbook" and path.startswith("/repos/acme/handbook"):
            to = target.replace("/repos/acme/handbook", f"/repositories/{self.number}", 1)
            return Answer(301, b"", {"Location": self.url + to})
        path = path.replace(f"/repositories/{self.number}", "/repos/acme/handbook", 1)
        path = path.replace(f"/raw/{self.name}/", "/raw/acme/handbook/") if not self._is_old(path) else ""
        try:
            if path == "/repos/acme/handbook":
                return _json({"id": self.number, "full_name": self.name})
            if path == "/repos/acme/handbook/commits":
                return self._commits(query)
            if path.startswith("/repos/acme/handbook/git/trees/"):
                return self._tree(path.rsplit("/", 1)[1], "recursive" in query)
            if path.startswith("/repos/acme/handbook/git/blobs/"):
                self.calls["blobs"] += 1
                return self._blob(path.rsplit("/", 1)[1])
            if path.startswith("/raw/acme/handbook/"):
                commit, _, file = path.removeprefix("/raw/acme/handbook/").partition("/")
                self.calls["raw"] += 1
                return self._blob(f"{commit}:{file}")
        except subprocess.CalledProcessError:
            pass
        return _NOT_FOUND

    def _blob(self, name: str) -> Answer:
        content = self.repository.blob(name)
        return _NOT_FOUND if content is None else Answer(200, content)

    def _is_old(self, path: str) -> bool:
        return path.startswith("/raw/acme/handbook/") and self.name != "acme/handbook"

    def _commits(self, query: dict[str, list[str]]) -> Answer:
        self.calls["commits"] += 1
        args = ["log", "--format=%H", f"-{query.get('per_page', ['30'])[0]}", query.get("sha", ["main"])[0]]
        if "path" in query:
            args += ["--", query["path"][0]]
        shas = self.repository.git(*args).split()
        return _json([{"sha": sha} for sha in shas])

    def _tree(self, tree: str, recursive: bool) -> Answer:
        self.calls["trees"] += 1
        args = ["ls-tree", "-l", "-z", *(["-r", "-t"] if recursive else []), tree]
        entries = []
        for line in self.repository.git_bytes(*args).decode().split("\0")[:-1]:
            facts, path = line.split("\t", 1)
            mode, kind, sha, size = facts.split()
            entry: dict[str, object] = {"path": path, "mode": mode, "type": kind, "sha": sha}
            if size != "-":
                entry["size"] = int(size)
            entries.append(entry)
        truncated = recursive and self.truncate_trees and any(entry["type"] == "tree" for entry in entries)
        return _json({"sha": tree, "tree": entries[:1] if truncated else entries, "truncated": truncated})


def _json(value: object) -> Answer:
    body = json.dumps(value).encode()
    etag = f'W/"{hashlib.sha256(body).hexdigest()}"'
    return Answer(200, body, {"Content-Type": "application/json", "ETag": etag})


@asynccontextmanager
async def serve_github(repository: GitRepository, *, keep_alive: bool = False) -> AsyncIterator[FakeGitHub]:
    """A :class:`FakeGitHub` on a free loopback port. With ``keep_alive``, as the real one, the connections of
    a client last until it closes them: close it first."""
    github = FakeGitHub(repository)
    served: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")

        token = next((line.split(": ", 1)[1] for line in head if line.lower().startswith("authoriz")), None)
        answer = await asyncio.to_thread(github.answer, head[0].split(" ")[1], token)
        if f"If-None-Match: {answer.headers.get('ETag')}" in head:
            github.not_modified += 1
            answer = Answer(304, b"", answer.headers)

        lines = [
            f"HTTP/1.1 {answer.status} X",
            f"Content-Length: {len(answer.body)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
        ]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            served.add(task)
            task.add_done_callback(served.discard)
        try:
            await serve_one(reader, writer)
            while keep_alive:
                await serve_one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    github.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield github
    finally:
        server.close()
        await server.wait_closed()
        repository.close()
        github.repository.close()
        if keep_alive and served:
            await asyncio.wait(served, timeout=5)

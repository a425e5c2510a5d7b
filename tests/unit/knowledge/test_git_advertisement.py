"""What a Git server says of its branches."""

import subprocess
from pathlib import Path

import httpx
import pytest

from common.errors import NotFound, PermanentError, TransientError
from knowledge.sources.git.advertisement import parse_refs
from tests.support.github import Answer, GitRepository
from tests.support.plain_http import NO_TLS
from tests.support.web import Request, WebServer, git_backend, serve
from tests.unit.knowledge.git_remotes import opened


async def test_what_speaks_no_git_is_refused() -> None:
    async def page(_: Request) -> Answer:
        return Answer(200, b"<html>", {"Content-Type": "text/html"})

    async with serve(page) as server, opened(server) as source:
        with pytest.raises(PermanentError, match="isn't a Git repository"):
            await source.newest_commit()


def advertisement(sha: str, ref: str = "refs/heads/main", more: str = "symref=HEAD:refs/heads/main") -> bytes:
    def line(text: str) -> bytes:
        return b"%04x" % (len(text.encode()) + 4) + text.encode()

    return line("# service=git-upload-pack\n") + b"0000" + line(f"{sha} {ref}\0{more}\n") + b"0000"


@pytest.mark.parametrize(
    ("body", "error", "reason"),
    [
        (advertisement("--tags"), TransientError, "'--tags' isn't a commit"),
        (advertisement("z" * 300), TransientError, "'z{80}' isn't a commit"),
        (advertisement("A" * 40), TransientError, "isn't a commit"),
        (advertisement(f"{'a' * 40}\n"), TransientError, "isn't a commit"),
        (advertisement("a" * 39), TransientError, "isn't a commit"),
        (advertisement("a" * 64), PermanentError, "SHA-256"),
        (advertisement("a" * 64, more="object-format=sha256"), PermanentError, "SHA-256"),
        (advertisement("a" * 40, "x:y", "symref=HEAD:x:y"), NotFound, "no default branch"),
        (advertisement("a" * 40, "refs/heads/*", "symref=HEAD:refs/heads/*"), NotFound, "no default branch"),
        (advertisement("a" * 40, "--all", "symref=HEAD:--all"), NotFound, "no default branch"),
    ],
)
async def test_what_a_server_calls_a_commit_or_a_branch_is_checked(
    body: bytes, error: type[Exception], reason: str
) -> None:
    async def answer(_: Request) -> Answer:
        return Answer(200, body, {"Content-Type": "application/x-git-upload-pack-advertisement"})

    async with serve(answer) as server, opened(server, "", branch="") as source:
        with pytest.raises(error, match=reason):
            await source.newest_commit()
    assert {request.method for request in server.requests} == {"GET"}, "Git was never started"


@pytest.fixture
def of_sha_256(tmp_path: Path) -> Path:
    at = tmp_path / "served" / "new.git"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", "-b", "main", at], check=True)
    repository = GitRepository(at)
    repository.write("docs/a.md", "a")
    assert len(repository.commit()) == 64
    return at


async def test_a_repository_of_sha_256_is_refused_by_that_name(of_sha_256: Path) -> None:
    async with serve(git_backend(of_sha_256.parent)) as server, opened(server, name="new.git") as source:
        with pytest.raises(PermanentError, match="SHA-256"):
            await source.newest_commit()


@pytest.mark.parametrize("body", [b"", b"00", b"zzzz", b"0010short", b"000e# service\n00000040abc"])
def test_a_cut_off_advertisement_is_tried_again(body: bytes) -> None:
    with pytest.raises(TransientError, match="malformed"):
        parse_refs(body)


async def test_wherever_an_advertisement_is_cut_off_no_branch_is_missed(server: WebServer) -> None:
    """A gateway ends the answer as if it were complete: between two refs it would look like that."""
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        whole = (await http.get(f"{server.url}/handbook.git/info/refs?service=git-upload-pack")).content
    assert "refs/heads/main" in parse_refs(whole)[0]
    for length in range(len(whole)):
        with pytest.raises(TransientError, match="malformed"):
            parse_refs(whole[:length])

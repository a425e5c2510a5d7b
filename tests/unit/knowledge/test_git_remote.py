"""Git remotes over HTTP: real repositories, served by ``git http-backend``."""

import asyncio
import base64
import random
import resource
import signal
from asyncio.subprocess import PIPE
from pathlib import Path

import httpx
import pytest

from common.errors import Forbidden, NotFound, PermanentError, TransientError
from knowledge.documents import FileUnreadable
from knowledge.readers.pool import Readers
from knowledge.sources import FileRefused
from knowledge.sources.git.program import Git, end
from knowledge.sources.git.source import GitMemory, GitSource
from knowledge.sources.location import GitLocation
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from tests.support.github import Answer, GitRepository
from tests.support.plain_http import NO_TLS
from tests.support.web import Request, WebServer, git_backend, serve
from tests.unit.knowledge.git_remotes import opened


async def test_files_are_listed_by_whole_segments_and_read(server: WebServer) -> None:
    async with opened(server) as source:
        commit = await source.newest_commit()
        files = {file.path: file for file in await source.list_files(commit)}
        assert set(files) == {"docs/a b.md", "docs/deep/ü.md"}
        await source.prepare(list(files.values()), commit)
        asked = len(server.requests)
        assert await source.read(files["docs/a b.md"], commit) == b"first"
        assert await source.read(files["docs/deep/ü.md"], commit) == b"second"
        assert len(server.requests) == asked, "all contents came in one request"


async def test_only_wanted_contents_are_fetched(server: WebServer, repository: GitRepository) -> None:
    noise = random.Random(0)
    repository.write("docs/large.md", noise.randbytes(3_000_000))
    repository.commit()
    async with opened(server, max_bytes=1_000_000) as source:
        commit = await source.newest_commit()
        files = [file for file in await source.list_files(commit) if "large" not in file.path]
        await source.prepare(files, commit)
        assert [await source.read(file, commit) for file in files] == [b"first", b"second"]


async def test_the_commit_is_the_newest_that_touches_the_path_however_far_back(
    server: WebServer, repository: GitRepository
) -> None:
    touching = repository.git("rev-parse", "HEAD")
    for index in range(70):
        repository.write("README.md", f"edition {index}")
        repository.commit()
    head = repository.git("rev-parse", "HEAD")
    for path, expected in (("docs", touching), ("README.md", head), ("", head)):
        async with opened(server, path) as source:
            assert await source.newest_commit() == expected


async def test_it_is_git_s_own_answer_in_a_history_with_merges(
    server: WebServer, repository: GitRepository
) -> None:
    chance = random.Random(1)
    for step in range(18):
        if chance.random() < 0.3:
            repository.git("checkout", "-q", "-b", f"side{step}", "HEAD~1" if step else "HEAD")
            repository.write(f"docs/side{step}.md", "side")
            repository.commit()
            repository.git("checkout", "-q", "main")
            repository.git("merge", "-q", "--no-ff", "-m", "merge", f"side{step}")
        else:
            folder = chance.choice(["docs", "docs-old", "other"])
            repository.write(f"{folder}/{chance.randrange(5)}.md", str(step))
            repository.commit()
        expected = repository.git("log", "-1", "--format=%H", "--", "docs")
        if step % 6 == 5:
            async with opened(server) as source:
                assert await source.newest_commit() == expected


async def test_an_unchanged_remote_costs_one_request(server: WebServer, repository: GitRepository) -> None:
    memory = GitMemory()
    async with opened(server, memory=memory) as source:
        commit = await source.newest_commit()
    server.requests.clear()
    async with opened(server, memory=memory) as source:
        assert await source.newest_commit() == commit
        assert [request.method for request in server.requests] == ["GET"]
        assert {file.path for file in await source.list_files(commit)} == {"docs/a b.md", "docs/deep/ü.md"}
    repository.write("docs/a b.md", "rewritten")
    repository.git("add", "-A")
    repository.git("commit", "-q", "--amend", "-m", "forced")
    async with opened(server, memory=memory) as source:
        assert await source.newest_commit() == repository.git("rev-parse", "HEAD")


async def test_a_server_without_filters_and_objects_by_name_serves_as_well(
    server: WebServer, repository: GitRepository
) -> None:
    repository.git("config", "uploadpack.allowFilter", "false")
    async with opened(server) as source:
        commit = await source.newest_commit()
        files = list(await source.list_files(commit))
        await source.prepare(files, commit)
        assert [await source.read(file, commit) for file in files] == [b"first", b"second"]


async def test_the_remote_s_own_branch_is_the_default(server: WebServer, repository: GitRepository) -> None:
    repository.git("checkout", "-q", "-b", "feature/x")
    repository.write("docs/new.md", "new")
    head = repository.commit()
    async with opened(server, branch="") as source:
        assert await source.newest_commit() == head
    async with opened(server, branch="feature/x") as source:
        assert await source.newest_commit() == head


async def test_links_and_submodules_are_passed_over_and_large_files_refused(
    server: WebServer, repository: GitRepository
) -> None:
    (repository.path / "docs" / "link.md").symlink_to("a b.md")
    repository.write("docs/big.md", "x" * 2000)
    repository.commit()
    async with opened(server, max_file_bytes=1000) as source:
        commit = await source.newest_commit()
        files = {file.path: file for file in await source.list_files(commit)}
        assert "docs/link.md" not in files
        await source.prepare(list(files.values()), commit)
        with pytest.raises(FileRefused, match="larger than 1,000"):
            await source.read(files["docs/big.md"], commit)
        assert await source.read(files["docs/a b.md"], commit) == b"first"


async def test_a_content_that_was_not_sent_fails_alone(server: WebServer) -> None:
    async with opened(server) as source:
        commit = await source.newest_commit()
        first, second = await source.list_files(commit)
        await source.prepare([first], commit)
        with pytest.raises(FileUnreadable, match="did not send"):
            await source.read(second, commit)


async def test_what_is_not_there_is_said(server: WebServer, repository: GitRepository) -> None:
    for path, branch, name, reason in (
        ("docs", "nope", "handbook.git", "no branch nope"),
        ("nope", "main", "handbook.git", "no commit of .* touches"),
        ("docs", "main", "nope.git", "no such repository"),
    ):
        async with opened(server, path, branch=branch, name=name) as source:
            with pytest.raises(NotFound, match=reason):
                await source.newest_commit()
    repository.git("rm", "-rq", "docs")
    repository.commit()
    async with opened(server) as source:
        with pytest.raises(NotFound, match="what was indexed is kept"):
            await source.list_files(await source.newest_commit())


async def test_credentials_go_to_their_host_only(tmp_path: Path, repository: GitRepository) -> None:
    secret = "Basic " + base64.b64encode(b"robot:s3cret").decode()
    async with serve(git_backend(repository.path.parent, authorization=secret)) as private:
        async with opened(private) as source:
            with pytest.raises(NotFound, match="401"):
                await source.newest_commit()
        access = Access(frozenset({"127.0.0.1"}), credentials={private.url[7:]: "robot:s3cret"})
        async with opened(private, access=access) as source:
            commit = await source.newest_commit()
            files = list(await source.list_files(commit))
            await source.prepare(files, commit)
            assert await source.read(files[0], commit) == b"first"

        async def elsewhere(request: Request) -> Answer:
            return Answer(302, b"", {"Location": f"{other.url}{request.target}"})

        async with serve(git_backend(repository.path.parent)) as other, serve(elsewhere) as hop:
            access = Access(frozenset({"127.0.0.1"}), credentials={hop.url[7:]: "robot:s3cret"})
            async with opened(hop, access=access) as source:
                await source.list_files(await source.newest_commit())
            assert "authorization" in hop.requests[0].headers
            assert not any("authorization" in request.headers for request in other.requests)


async def test_a_redirect_in_the_middle_is_not_followed_by_git(
    server: WebServer, repository: GitRepository
) -> None:
    backend = git_backend(repository.path.parent)

    async def treacherous(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(307, b"", {"Location": f"{server.url}{request.target}"})
        return await backend(request)

    async with serve(treacherous) as hop, opened(hop) as source:
        with pytest.raises(TransientError, match="fetch"):
            await source.newest_commit()
    assert server.requests == []


async def test_a_private_address_is_refused(server: WebServer) -> None:
    async with opened(server, access=Access()) as source:
        with pytest.raises(Forbidden, match="isn't a public address"):
            await source.newest_commit()
    assert server.requests == []


@pytest.mark.parametrize(
    ("spelling", "host", "redirected"),
    [
        ("git.example", "git.example", False),
        ("git.example.", "git.example", False),
        ("Git.EXAMPLE", "git.example", False),
        ("Gít.example.", "xn--gt-nja.example", False),
        ("gi\u0301t\u3002example", "xn--gt-nja.example", False),
        ("straße.localhost", "xn--strae-oqa.localhost", False),
        ("Git.EXAMPLE.", "git.example", True),
        ("gít.example", "xn--gt-nja.example", True),
    ],
)
async def test_git_dials_the_address_that_was_checked(
    server: WebServer, spelling: str, host: str, redirected: bool
) -> None:
    """However its name is spelled: curl would ask a name server for any name other than the pinned one."""
    port = server.url.rsplit(":", 1)[1]
    url = f"http://{spelling}:{port}/handbook.git"

    async def resolver(asked: str, _: int) -> list[str]:
        assert asked in (host, "hop.example")
        return ["127.0.0.1"]

    async def elsewhere(request: Request) -> Answer:
        return Answer(302, b"", {"Location": url + request.target.removeprefix("/handbook.git")})

    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http, serve(elsewhere) as hop:
        first = f"http://hop.example:{hop.url.rsplit(':', 1)[1]}/handbook.git"
        fetcher = Fetcher(
            http,
            Access(),
            Retries(1),
            resolver=resolver,
            allowed_address=lambda ip: ip == "127.0.0.1",
        )
        at = GitLocation(first if redirected else url, "main", "docs")
        readers = Readers()
        remote = GitSource(fetcher, GitMemory(), readers, at, max_bytes=10**9, max_file_bytes=10**6)
        async with remote as source:
            files = await source.list_files(await source.newest_commit())
        await readers.close()
        await fetcher.close()
    assert len(files) == 2, "a name that no resolver knows was reached"
    assert {request.headers["host"] for request in server.requests} == {f"{host}:{port}"}


async def test_a_repository_beyond_the_limit_is_refused(server: WebServer, repository: GitRepository) -> None:
    repository.write("docs/large.md", random.Random(0).randbytes(3_000_000))
    repository.commit()
    async with opened(server, max_bytes=1_000_000) as source:
        commit = await source.newest_commit()
        files = await source.list_files(commit)
        with pytest.raises(PermanentError, match="SOURCE_MAX_BYTES"):
            await source.prepare(files, commit)


async def test_a_few_trees_that_list_millions_of_files_are_refused(
    server: WebServer, repository: GitRepository
) -> None:
    inner = repository.git("rev-parse", "HEAD:docs")
    for _ in range(7):
        entries = "\n".join(f"040000 tree {inner}\t{number}" for number in range(10))
        inner = repository.git("mktree", stdin=entries)
    commit = repository.git("commit-tree", inner, "-m", "twenty million files")
    repository.git("update-ref", "refs/heads/main", commit)
    async with opened(server, "") as source:
        with pytest.raises(PermanentError, match="too many files"):
            await source.list_files(await source.newest_commit())


async def test_a_service_with_less_memory_than_git_may_have_runs_git_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # only a privileged process may raise a limit

    monkeypatch.setattr(resource, "prlimit", refuse)
    git = Git(tmp_path, "http://git.example/docs.git", {}, 1)
    assert (await git.run("version")).startswith(b"git version")


async def test_a_process_that_says_more_than_anybody_reads_is_ended() -> None:
    process = await asyncio.create_subprocess_exec("yes", stdout=PIPE, stderr=PIPE, start_new_session=True)
    assert process.stdout
    await process.stdout.read(1)
    await asyncio.sleep(0.2)  # until what waits to be read is as much as may wait
    async with asyncio.timeout(60):
        await end(process)
    assert process.returncode == -signal.SIGKILL

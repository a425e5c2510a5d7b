"""GitHub's API, over a real repository."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from common.errors import Forbidden, NotFound, PermanentError, TransientError
from knowledge.documents import MAX_FILE_BYTES, FileUnreadable
from knowledge.sources.github.access import GitHubAccess
from knowledge.sources.github.source import GitHubSource
from knowledge.sources.location import GitHubLocation
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from tests.support.github import Answer, FakeGitHub, GitRepository, serve_github
from tests.support.plain_http import NO_TLS
from tests.support.web import Request, serve


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[FakeGitHub]:
    repository = GitRepository(tmp_path / "repository")
    repository.write("docs/a b.md", "first")
    repository.write("docs/deep/ü.md", "second")
    repository.write("docs-old/a.md", "old")
    repository.write("README.md", "read me")
    repository.commit("docs")
    async with serve_github(repository) as github:
        yield github


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
        yield client


def source(
    http: httpx.AsyncClient, github: FakeGitHub, path: str = "docs", token: str | None = None
) -> GitHubSource:
    access = GitHubAccess(github.api_url, github.raw_url, token)
    fetcher = Fetcher(http, Access(trusted_urls=access.trusted_urls()), Retries(3, 0.001, 1))
    return GitHubSource(fetcher, access, GitHubLocation("acme", "handbook", "main", path), MAX_FILE_BYTES)


async def test_the_commit_is_the_newest_that_touches_the_path(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    touching = github.repository.git("rev-parse", "HEAD")
    github.repository.write("README.md", "changed")
    head = github.repository.commit("elsewhere")
    assert await source(http, github).newest_commit() == touching
    assert await source(http, github, "").newest_commit() == head
    assert await source(http, github, "README.md").newest_commit() == head


async def test_files_are_listed_by_whole_segments_and_read_at_the_commit(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    docs = source(http, github)
    commit = await docs.newest_commit()
    files = {file.path: file for file in await docs.list_files(commit)}
    assert set(files) == {"docs/a b.md", "docs/deep/ü.md"}
    github.repository.write("docs/a b.md", "newer")
    github.repository.commit("later")
    assert await docs.read(files["docs/a b.md"], commit) == b"first"
    assert await docs.read(files["docs/deep/ü.md"], commit) == b"second"
    assert github.calls == {"commits": 1, "trees": 1, "raw": 2}


async def test_a_listing_that_github_cuts_off_is_read_folder_by_folder(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    github.truncate_trees = True
    docs = source(http, github)
    files = await docs.list_files(await docs.newest_commit())
    assert {file.path for file in files} == {"docs/a b.md", "docs/deep/ü.md"}


async def test_one_file_is_a_source_too(http: httpx.AsyncClient, github: FakeGitHub) -> None:
    one = source(http, github, "README.md")
    assert [file.path for file in await one.list_files(await one.newest_commit())] == ["README.md"]


async def test_links_and_submodules_are_passed_over(http: httpx.AsyncClient, github: FakeGitHub) -> None:
    (github.repository.path / "docs" / "link.md").symlink_to("a b.md")
    github.repository.commit("link")
    docs = source(http, github)
    assert {file.path for file in await docs.list_files(await docs.newest_commit())} == {
        "docs/a b.md",
        "docs/deep/ü.md",
    }


async def test_a_passing_failure_is_retried_as_the_server_asks(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    answers = [Answer(403, b"slow down", {"Retry-After": "0"}), Answer(502, b"oops")]
    github.fault = lambda _: answers.pop() if answers else None
    assert await source(http, github).newest_commit() == github.repository.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (Answer(503, b"down"), TransientError, "HTTP 503 down .3 attempts."),
        (Answer(429, b"", {"Retry-After": "3600"}), TransientError, "asks to wait 3600 s"),
        (
            Answer(403, b"", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}),
            TransientError,
            "wait",
        ),
        (
            Answer(403, b'{"message": "You have exceeded a secondary rate limit"}'),
            TransientError,
            "wait 60 s",
        ),
        (Answer(404, b""), NotFound, "does not know"),
        (Answer(403, b'{"message": "no"}'), Exception, "HTTP 403"),
        (Answer(200, b"[]"), NotFound, "no commit"),
        (Answer(200, b"<html>"), TransientError, "isn't JSON"),
        (
            Answer(200, b'[{"sha": "../../../../user/repos?visibility=private"}]'),
            TransientError,
            "no 40-digit sha",
        ),
    ],
)
async def test_a_lasting_failure_says_what_happened(
    http: httpx.AsyncClient, github: FakeGitHub, answer: Answer, error: type[Exception], reason: str
) -> None:
    github.fault = lambda _: answer
    with pytest.raises(error, match=reason):
        await source(http, github).newest_commit()


@pytest.mark.parametrize("sha", ["../../../../user/repos?visibility=private", "A" * 40, "a" * 41, 5, None])
async def test_a_listing_s_hashes_are_hashes(
    http: httpx.AsyncClient, github: FakeGitHub, sha: object
) -> None:
    docs = source(http, github)
    commit = await docs.newest_commit()
    entry = {"path": "docs/a.md", "mode": "100644", "type": "blob", "sha": sha}
    listing = Answer(200, json.dumps({"tree": [entry]}).encode())
    github.fault = lambda target: listing if "/git/trees/" in target else None
    with pytest.raises(TransientError, match="an entry without a 40-digit sha"):
        await docs.list_files(commit)


async def test_a_path_that_has_gone_is_an_error_not_an_empty_base(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    github.repository.git("rm", "-rq", "docs")
    github.repository.commit("gone")
    docs = source(http, github)
    with pytest.raises(NotFound, match="what was indexed is kept"):
        await docs.list_files(await docs.newest_commit())


async def test_content_that_is_not_what_was_listed_is_refused(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    docs = source(http, github)
    commit = await docs.newest_commit()
    [file, *_] = await docs.list_files(commit)
    github.fault = lambda target: Answer(200, b"fir") if "/raw/" in target else None
    with pytest.raises(FileUnreadable, match="not the one listed"):
        await docs.read(file, commit)
    github.fault = lambda target: Answer(500, b"") if "/raw/" in target else None
    with pytest.raises(FileUnreadable, match="HTTP 500"):
        await docs.read(file, commit)


async def test_the_token_is_sent(http: httpx.AsyncClient, github: FakeGitHub) -> None:
    github.token = "secret"
    with pytest.raises(Exception, match="HTTP 401"):
        await source(http, github).newest_commit()
    docs = source(http, github, token="secret")
    commit = await docs.newest_commit()
    [file, *_] = await docs.list_files(commit)
    assert await docs.read(file, commit) == b"first"


def sources_of(http: httpx.AsyncClient, access: GitHubAccess, location: GitHubLocation) -> GitHubSource:
    fetcher = Fetcher(http, Access(trusted_urls=access.trusted_urls()), Retries(1))
    return GitHubSource(fetcher, access, location, MAX_FILE_BYTES)


async def test_an_unchanged_branch_is_asked_for_conditionally(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    access = GitHubAccess(github.api_url, github.raw_url)
    at = GitHubLocation("acme", "handbook", "main", "docs")
    first = await sources_of(http, access, at).newest_commit()
    assert await sources_of(http, access, at).newest_commit() == first
    assert github.not_modified == 1, "free of the rate limit"
    github.repository.write("docs/a b.md", "changed")
    assert await sources_of(http, access, at).newest_commit() == first
    head = github.repository.commit()
    assert await sources_of(http, access, at).newest_commit() == head


async def test_no_call_is_made_while_the_rate_limit_is_known_to_be_used_up(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    access = GitHubAccess(github.api_url, github.raw_url)
    at = GitHubLocation("acme", "handbook")
    last = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}
    sha = github.repository.git("rev-parse", "HEAD")
    github.fault = lambda _: Answer(200, f'[{{"sha": "{sha}"}}]'.encode(), last)
    assert await sources_of(http, access, at).newest_commit() == sha
    github.fault = None
    with pytest.raises(TransientError, match="waits for GitHub's rate limit until"):
        await sources_of(http, access, at).newest_commit()
    assert github.calls == {}


async def test_an_enterprise_is_read_through_its_api_alone(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    github.prefix, github.token = "/api/v3", "secret"
    access = GitHubAccess(github.api_url, token="secret")
    at = GitHubLocation("acme", "handbook", "main", "docs", github.url.removeprefix("http://"))
    docs = sources_of(http, access, at)
    commit = await docs.newest_commit()
    files = {file.path: file for file in await docs.list_files(commit)}
    assert await docs.read(files["docs/deep/ü.md"], commit) == b"second"
    assert github.calls == {"commits": 1, "trees": 1, "blobs": 1}


def test_each_host_has_its_own_api_and_its_own_token() -> None:
    enterprise = GitHubAccess("https://ghe.example/api/v3", token="secret")
    site = enterprise.site_of(GitHubLocation("a", "b", host="ghe.example"))
    assert (site.api_url, site.raw_url) == ("https://ghe.example/api/v3", "")
    assert site.secrets("https://ghe.example/api/v3/repos") == {"Authorization": "Bearer secret"}
    assert site.secrets("https://raw.githubusercontent.com/x") == {}
    assert site.secrets("http://ghe.example/api/v3/repos") == {}, "not in the clear"
    public = enterprise.site_of(GitHubLocation("a", "b"))
    assert public.api_url == "https://api.github.com"
    assert public.secrets("https://api.github.com/repos") == {}
    cloud = GitHubAccess("https://api.acme.ghe.com", token="secret")
    assert cloud.site_of(GitHubLocation("a", "b", host="acme.ghe.com")).token == "secret"
    for access in (enterprise, cloud, GitHubAccess()):
        with pytest.raises(Forbidden, match="is not the GitHub"):
            access.site_of(GitHubLocation("a", "b", host="evil.example"))


async def test_a_redirect_does_not_take_the_token_along(http: httpx.AsyncClient, github: FakeGitHub) -> None:
    async def moved(request: Request) -> Answer:
        return Answer(301, b"", {"Location": github.url + request.target})

    async with serve(moved) as old:
        access = GitHubAccess(old.url, old.url, "secret")
        fetcher = Fetcher(
            http, Access(frozenset({"127.0.0.1"}), trusted_urls=access.trusted_urls()), Retries(1)
        )
        github.token = "secret"
        docs = GitHubSource(fetcher, access, GitHubLocation("acme", "handbook"), MAX_FILE_BYTES)
        with pytest.raises(PermanentError, match="HTTP 401"):
            await docs.newest_commit()
        assert old.requests[0].headers["authorization"] == "Bearer secret"


async def test_a_folder_beyond_what_github_lists_is_an_error_not_a_cut(
    http: httpx.AsyncClient, github: FakeGitHub
) -> None:
    docs = source(http, github)
    commit = await docs.newest_commit()
    github.fault = lambda target: (
        Answer(200, b'{"tree": [], "truncated": true}') if "/trees/" in target else None
    )
    with pytest.raises(PermanentError, match="more entries than GitHub lists"):
        await docs.list_files(commit)

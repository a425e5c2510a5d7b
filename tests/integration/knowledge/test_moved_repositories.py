"""A repository that is renamed or given away: its pushes still sync, and its bases say where it is."""

from pathlib import Path
from typing import Any

from knowledge.bases import repository as bases
from knowledge.webhooks.use_cases import sync_touched
from knowledge.webhooks.wire import PushPayload
from tests.integration.knowledge.conftest import Harness, reaching
from tests.support.github import Answer, FakeGitHub
from tests.support.web import Request, git_backend, serve


async def pushed(harness: Harness, name: str, number: int | None, **more: Any) -> list[str]:
    """The bases that are synced after a push to ``main`` of the repository, with no word on its files."""
    about = {"full_name": name, "id": number, "html_url": f"https://github.com/{name}", **more}
    push = PushPayload.model_validate({"ref": "refs/heads/main", "repository": about}).push()
    return [base_id for base_id, _ in await sync_touched(harness.pool, push, "delivery")]


async def notices(harness: Harness, base_id: str = "handbook") -> list[str]:
    async with harness.pool.acquire() as connection:
        [view] = await bases.list_bases(connection, "ada", base_id)
    return list(view.notices)


def rename(github: FakeGitHub, name: str = "acme/manual") -> None:
    github.name = name


async def test_pushes_of_a_renamed_repository_sync_its_bases(harness: Harness) -> None:
    await harness.sync()
    rename(harness.github)
    assert await pushed(harness, "acme/manual", 7) == ["handbook"], "it is known by its number"
    assert await pushed(harness, "acme/manual", 8) == []
    assert await pushed(harness, "acme/manual", None) == []
    other_host = {"html_url": "https://ghe.example/acme/manual"}
    assert await pushed(harness, "acme/manual", 7, **other_host) == [], "numbers are a host's own"
    assert await notices(harness) == []


async def test_a_renamed_repository_is_followed_and_told_on_the_base(harness: Harness) -> None:
    await harness.sync()
    rename(harness.github)
    assert (await harness.sync()).type == "skipped"
    told = [
        "github.com/acme/handbook is now github.com/acme/manual: name that in the source, before somebody "
        "else takes the old name"
    ]
    assert await notices(harness) == told
    harness.repository.write("docs/start.md", "Press the blue button.")
    harness.repository.commit()
    assert (await harness.sync()).modified == 1
    assert await harness.text_of("docs/start.md") == ["Press the blue button."], "its contents move too"
    assert await notices(harness) == told
    assert await pushed(harness, "acme/manual", None) == ["handbook"], "it is known by its name too"
    assert await pushed(harness, "acme/handbook", 9) == ["handbook"], "the source still names this one"

    now = harness.base(source=harness.github.source("docs").replace("handbook", "manual"))
    async with harness.pool.acquire() as connection:
        await connection.execute("UPDATE knowledge_bases SET source = $1", now.source)
    assert await notices(harness) == [], "another source has its own"
    assert await pushed(harness, "acme/manual", 9) == ["handbook"]
    assert await pushed(harness, "acme/handbook", 7) == []


async def test_a_base_of_an_earlier_release_learns_its_repository_at_the_next_sync(harness: Harness) -> None:
    await harness.sync()
    await harness.pool.execute(
        "UPDATE knowledge_syncs SET result = result - 'repository' - 'notices' - 'source'"
    )
    assert await pushed(harness, "acme/manual", 7) == []
    assert (await harness.sync()).type == "skipped"
    assert await pushed(harness, "acme/manual", 7) == ["handbook"]


async def test_a_repository_that_can_not_be_identified_is_synced_all_the_same(harness: Harness) -> None:
    def refuses(target: str) -> Answer | None:
        return Answer(403, b"no") if target.endswith("/repos/acme/handbook") else None

    harness.github.fault = refuses
    assert (await harness.sync()).type == "full"
    assert await pushed(harness, "acme/manual", 7) == []
    harness.github.fault = None
    await harness.sync()
    assert await pushed(harness, "acme/manual", 7) == ["handbook"]


async def test_another_repository_under_the_old_name_is_told(harness: Harness) -> None:
    await harness.sync()
    harness.github.number = 8
    await harness.sync(mode="full")
    assert await notices(harness) == [
        "github.com/acme/handbook is another repository than before: GitHub's number of it was 7 and is now 8"
    ]


async def test_a_git_remote_that_has_moved_is_told_and_known_by_its_new_name(
    harness: Harness, tmp_path: Path
) -> None:
    backend = git_backend(tmp_path)

    async def host(request: Request) -> Answer:
        if moved and request.target.startswith("/old/docs.git"):
            return Answer(
                301, b"", {"Location": server.url + request.target.replace("/old/docs", "/repository")}
            )
        return await backend(
            Request(
                request.method,
                request.target.replace("/old/docs.git", "/repository").replace(
                    "/repository.git", "/repository"
                ),
                request.headers,
                request.body,
            )
        )

    moved = False
    async with serve(host) as server:
        deps, place = reaching(harness, "127.0.0.1"), server.url.removeprefix("http://")
        base = harness.base("remote", source=f"git+{server.url}/old/docs.git#main:docs")
        await harness.sync(base, deps=deps)
        assert await notices(harness, "remote") == []
        moved = True
        await harness.sync(base, deps=deps)
        assert await notices(harness, "remote") == [
            f"{place}/old/docs is now {place}/repository: name that in the source, before somebody else "
            "takes the old name"
        ]
        about = {"html_url": f"{server.url}/repository", "default_branch": "main"}
        assert await pushed(harness, "repository", None, **about) == ["remote"]
        await deps.sources.fetcher.close()

"""Bases over every kind of source and format, synced by the use case itself."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from common.errors import Forbidden, TransientError
from knowledge.readers.pool import Readers
from knowledge.sources.opening import Limits
from knowledge.sync.use_cases import FilesUnreadable
from tests.integration.knowledge.conftest import Harness, reaching
from tests.integration.knowledge.histories import change, seen
from tests.support.github import Answer, GitRepository
from tests.support.knowledge import Jobs, chunks_of, knowledge_service
from tests.support.pdf import make_pdf, without_second_page
from tests.support.web import Request, git_backend, serve


async def outcomes(harness: Harness, base_id: str) -> dict[str, tuple[str, str | None]]:
    rows = await harness.pool.fetch(
        "SELECT path, outcome, reason FROM knowledge_files WHERE knowledge_base_id = $1", base_id
    )
    return {row["path"]: (row["outcome"], row["reason"]) for row in rows}


async def test_a_git_remote_ends_where_github_does_at_every_commit(harness: Harness) -> None:

    chance = random.Random(5)
    harness.repository.git("config", "uploadpack.allowFilter", "true")
    async with serve(git_backend(harness.repository.path.parent)) as server:
        deps = reaching(harness, "127.0.0.1")
        remote = harness.base("remote", source=f"git+{server.url}/repository#main:docs")
        for step in range(8):
            change(harness.repository, chance)
            by_github, by_git = await harness.sync(), await harness.sync(remote, deps=deps)
            assert (by_git.sha, by_git.added, by_git.modified, by_git.removed) == (
                by_github.sha,
                by_github.added,
                by_github.modified,
                by_github.removed,
            ), f"step {step}"
            assert seen(await harness.content("remote")) == seen(await harness.content())
        server.requests.clear()
        assert (await harness.sync(remote, deps=deps)).type == "skipped"
        assert len(server.requests) == 1
        await deps.sources.fetcher.close()


async def test_a_website_is_followed_page_by_page(harness: Harness) -> None:
    pages: dict[str, Any] = {"/": "Welcome.", "/levers": "Pull the red lever.", "/buttons": "Press it."}

    async def site(request: Request) -> Answer:
        if request.path == "/sitemap.xml":
            urls = "".join(f"<url><loc>{server.url}{path}</loc></url>" for path in pages)
            return Answer(200, f"<urlset>{urls}</urlset>".encode())
        page = pages.get(request.path, Answer(404, b""))
        return page if isinstance(page, Answer) else Answer(200, f"<p>{page}</p>".encode(), html)

    html = {"Content-Type": "text/html"}
    async with serve(site) as server:
        deps = reaching(harness, "127.0.0.1")
        base = harness.base("site", source=f"sitemap+{server.url}/sitemap.xml")
        first = await harness.sync(base, deps=deps)
        assert (first.type, first.added) == ("full", 3)
        assert await harness.text_of("levers", "site") == ["Pull the red lever."]
        assert await harness.commit_of("site") == first.sha
        assert (await harness.sync(base, deps=deps)).type == "skipped"

        pages["/levers"], pages["/buttons"] = Answer(500, b"oops"), "Press it twice."
        with pytest.raises(FilesUnreadable, match=r"levers: GET .*HTTP 500"):
            await harness.sync(base, deps=deps)
        assert await harness.text_of("levers", "site") == ["Pull the red lever."], "it keeps its old text"
        assert await harness.text_of("buttons", "site") == ["Press it twice."]
        assert await harness.commit_of("site") == first.sha

        pages["/levers"] = Answer(410, b"")
        second = await harness.sync(base, deps=deps)
        assert await harness.text_of("levers", "site") == []
        assert (await outcomes(harness, "site"))["levers"] == ("unsupported", "HTTP 410")
        assert await harness.commit_of("site") == second.sha
        del pages["/levers"]
        assert (await harness.sync(base, deps=deps)).removed == 1
        await deps.sources.fetcher.close()


async def test_a_website_that_moved_is_kept_until_a_page_of_it_can_be_had(harness: Harness) -> None:
    pages = {"/old/levers": Answer(200, b"Pull the red lever.", {"Content-Type": "text/plain"})}

    async def site(request: Request) -> Answer:
        if request.path == "/sitemap.txt":
            return Answer(200, "\n".join(server.url + path for path in pages).encode())
        return pages.get(request.path, Answer(404, b""))

    async with serve(site) as server:
        deps = reaching(harness, "127.0.0.1")
        base = harness.base("site", source=f"sitemap+{server.url}/sitemap.txt")
        await harness.sync(base, deps=deps)
        pages["/new/levers"] = pages.pop("/old/levers")
        moved, pages["/new/levers"] = pages["/new/levers"], Answer(503, b"busy")
        with pytest.raises(FilesUnreadable, match="new/levers"):
            await harness.sync(base, deps=deps)
        assert await harness.text_of("old/levers", "site") == ["Pull the red lever."]
        pages["/new/levers"] = moved
        assert (await harness.sync(base, deps=deps)).removed == 1
        assert await harness.text_of("old/levers", "site") == []
        assert await harness.text_of("new/levers", "site") == ["Pull the red lever."]
        await deps.sources.fetcher.close()


async def test_each_file_is_read_by_its_format_and_refused_alone(harness: Harness) -> None:
    write = harness.repository.write
    write("docs/manual.pdf", make_pdf(["Pull the red lever."], title="Manual"))
    write("docs/broken.pdf", b"%PDF-1.7 broken")
    write("docs/page.html", "<html><title>Page</title><body><nav>Menu</nav><p>Press.</p></body></html>")
    write("docs/page.mdx", "import X from 'x'\n\n# MDX\n\n<X>Turn.</X>\n")
    write("docs/front.md", "---\ntitle: Front\ndescription: Of matter\n---\nText.")
    write("docs/code.py", "def pull():\n    pass\n")
    write("docs/old.txt", "Die Grüße aus München und noch mehr Wörter für die Übung.".encode("cp1252"))
    write("docs/image.txt", b"\x89PNG\x00\x01")
    write("docs/large.txt", "x" * 20_000)
    write("docs/empty.txt", "")
    harness.repository.commit()
    deps = replace(harness.deps, sources=replace(harness.deps.sources, limits=Limits(file_bytes=10_000)))
    base = harness.base(extensions=[".md", ".txt", ".pdf", ".html", ".mdx", ".py"])
    assert (await harness.sync(base, deps=deps)).type == "full"
    assert await harness.text_of("docs/manual.pdf") == ["# Manual\n\nPull the red lever."]
    assert await harness.text_of("docs/page.html") == ["# Page\n\nPress."]
    assert await harness.text_of("docs/page.mdx") == ["# MDX\n\nTurn.\n"]
    assert await harness.text_of("docs/front.md") == ["# Front\n\nOf matter\n\nText."]
    assert await harness.text_of("docs/code.py") == ["def pull():\n    pass\n"]
    assert await harness.text_of("docs/old.txt") == [
        "Die Grüße aus München und noch mehr Wörter für die Übung."
    ]
    found = await outcomes(harness, "handbook")
    assert found["docs/empty.txt"] == ("empty", None)
    assert found["docs/image.txt"] == ("unsupported", "the file is binary")
    assert found["docs/large.txt"] == ("unsupported", "the file is larger than 10,000 bytes")
    outcome, reason = found["docs/broken.pdf"]
    assert outcome == "unsupported"
    assert "the PDF is damaged" in str(reason)
    assert (await harness.sync(base, deps=deps)).type == "skipped", "a permanent refusal isn't a failure"


async def test_a_damaged_page_is_told_and_the_others_are_indexed(harness: Harness) -> None:
    harness.repository.write("docs/manual.pdf", without_second_page(make_pdf(["Pull.", "Wait.", "Let go."])))
    harness.repository.commit()
    base = harness.base(extensions=[".md", ".pdf"])
    await harness.sync(base)
    assert await harness.text_of("docs/manual.pdf") == ["Pull.\n\nLet go."]
    told = ("indexed", "page 2: damaged and left out")
    assert (await outcomes(harness, "handbook"))["docs/manual.pdf"] == told
    history = await harness.pool.fetchval("SELECT files::text FROM knowledge_syncs")
    assert told[1] in history
    harness.repository.git("mv", "docs/manual.pdf", "docs/handbook.pdf")
    harness.repository.commit()
    await harness.sync(base)
    assert (await outcomes(harness, "handbook"))["docs/handbook.pdf"] == told, "its text isn't read again"


async def test_readers_that_do_not_start_cost_a_file_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = harness.base(extensions=[".md", ".pdf"])
    harness.repository.write("docs/manual.pdf", make_pdf(["Pull the red lever."]))
    harness.repository.commit()
    await harness.sync(base)
    harness.repository.write("docs/manual.pdf", make_pdf(["Pull the blue lever."]))
    harness.repository.commit()
    await harness.deps.sources.readers.close()
    broken = replace(harness.deps, sources=replace(harness.deps.sources, readers=Readers()))
    monkeypatch.setattr("knowledge.readers.process._MODULE", "knowledge.no_such_program")
    with pytest.raises(TransientError, match=r"did not start \(1\)"):
        await harness.sync(base, deps=broken)
    assert await harness.text_of("docs/manual.pdf") == ["Pull the red lever."]
    monkeypatch.undo()
    await harness.sync(base, deps=broken)
    assert await harness.text_of("docs/manual.pdf") == ["Pull the blue lever."]
    await broken.sources.readers.close()


async def test_private_addresses_are_refused_before_a_word_is_said(harness: Harness) -> None:
    async def secret(_: Request) -> Answer:
        return Answer(200, b"secret")

    async with serve(secret) as server:
        for source in (f"git+{server.url}/x", f"sitemap+{server.url}/x", f"{server.url}/a/b/tree/main/x"):
            with pytest.raises(Forbidden):
                await harness.sync(harness.base("private", source=source))
        assert server.requests == []
    status = await harness.pool.fetchval(
        "SELECT status || ': ' || error FROM knowledge_syncs ORDER BY created_at DESC LIMIT 1"
    )
    assert status.startswith("failed: ")


async def test_the_process_reads_private_hosts_that_its_settings_list(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    repository = GitRepository(tmp_path / "served" / "handbook.git")
    repository.write("docs/a.md", "Pull the red lever.")
    repository.commit()
    jobs, data = Jobs(redis), {"version": "latest"}
    async with serve(git_backend(tmp_path / "served")) as listed, serve(git_backend(tmp_path)) as other:
        settings = {"SOURCE_ALLOWED_HOSTS": listed.url.removeprefix("http://")}
        async with knowledge_service(database, redis_url, tmp_path / "service", **settings):
            good = data | {"knowledgeBaseId": "good", "source": f"git+{listed.url}/handbook.git#main:docs"}
            outcome = await jobs.sync(good)
            assert outcome["state"] == "completed", outcome
            assert [row["content"] for row in await chunks_of(database, "good")] == ["Pull the red lever."]
            bad = data | {"knowledgeBaseId": "bad", "source": f"git+{other.url}/served/handbook.git"}
            outcome = await jobs.sync(bad)
            assert outcome["state"] == "failed"
            assert "isn't a public address" in outcome["reason"]
        assert other.requests == []

"""A sync that can't read everything: what stays, and what is reported."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from common.errors import NotFound, TakaroError, TransientError
from knowledge.sync.use_cases import FilesUnreadable
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.github import Answer

FILES_FAILED = "takaro_knowledge_files_failed_total"


async def test_a_failed_download_keeps_the_old_chunks_and_the_commit(harness: Harness) -> None:
    failures = REGISTRY.get_sample_value(FILES_FAILED) or 0
    await harness.sync()
    old_commit, old_text = await harness.commit_of(), await harness.text_of("docs/start.md")
    harness.repository.write("docs/start.md", "Changed, but out of reach.")
    harness.repository.write("docs/new.md", "A new page.")
    sha = harness.repository.commit()
    harness.github.fault = lambda target: Answer(500, b"oops") if "start.md" in target else None
    with pytest.raises(FilesUnreadable, match=r"1 of 3 files.*docs/start\.md.*HTTP 500"):
        await harness.sync()
    assert await harness.text_of("docs/start.md") == old_text
    assert await harness.text_of("docs/new.md") == ["A new page."], "the others are not held up"
    assert await harness.commit_of() == old_commit
    outcomes = await harness.pool.fetch(
        "SELECT path, outcome, reason FROM knowledge_files WHERE outcome = 'failed'"
    )
    assert [row["path"] for row in outcomes] == ["docs/start.md"]
    assert "HTTP 500" in outcomes[0]["reason"]
    last = (await harness.facts())[-1]
    assert last["type"] == "knowledge.sync.failed.v1"
    assert last["data"]["failedFiles"] == ["docs/start.md"]
    assert REGISTRY.get_sample_value(FILES_FAILED) == failures + 1

    harness.github.fault = None
    result = await harness.sync()
    assert (result.sha, result.modified) == (sha, 1)
    assert await harness.text_of("docs/start.md") == ["Changed, but out of reach."]
    assert await harness.commit_of() == sha
    assert (await harness.sync()).type == "skipped"


@pytest.mark.parametrize("call", ["/commits", "/git/trees/", "/raw/"])
@pytest.mark.parametrize(
    "answer", [Answer(403, b"{}"), Answer(429, b"{}"), Answer(500, b"x"), Answer(404, b"{}")]
)
async def test_a_refusal_of_github_never_empties_a_base(harness: Harness, call: str, answer: Answer) -> None:
    await harness.sync()
    before, commit = await harness.content(), await harness.commit_of()
    harness.repository.write("docs/start.md", "Changed.")
    harness.repository.commit()
    harness.github.fault = lambda target: answer if call in target else None
    for mode in ("incremental", "full"):
        with pytest.raises(TakaroError):
            await harness.sync(mode=mode)
        assert await harness.content() == before
        assert await harness.commit_of() == commit
    status = await harness.pool.fetchval(
        "SELECT status || ': ' || error FROM knowledge_syncs ORDER BY created_at DESC LIMIT 1"
    )
    assert status.startswith("failed: ")
    harness.github.fault = None
    await harness.sync()
    assert await harness.text_of("docs/start.md") == ["Changed."]


async def test_a_folder_that_has_gone_keeps_what_was_indexed(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    harness.repository.git("rm", "-rq", "docs")
    harness.repository.commit()
    with pytest.raises(NotFound, match="what was indexed is kept"):
        await harness.sync()
    assert await harness.content() == before


async def test_a_failed_file_never_leaves_two_models_in_a_base(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    harness.github.fault = lambda target: Answer(500, b"") if "start.md" in target else None
    with pytest.raises(TransientError, match="could not be read"):
        await harness.sync(deps=harness.with_embedder(CountingEmbedder("other-model")))
    assert await harness.content() == before


async def test_an_embedder_that_fails_changes_nothing_and_loses_nothing_paid_for(harness: Harness) -> None:
    for i in range(80):
        harness.repository.write(f"docs/{i:02}.md", f"Page {i}.")
    harness.repository.commit()
    harness.embedder.batch_size = 16
    calls = 0
    real = harness.embedder.embed

    async def fails_at_the_fourth(texts: Any, *, urgent: bool = False, once: bool = False) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise TransientError("the embedder is away")
        return await real(texts, urgent=urgent)

    harness.embedder.embed = fails_at_the_fourth  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="away"):
        await harness.sync()
    assert await harness.content() == []
    assert await harness.commit_of() is None
    paid = harness.embedder.texts
    assert paid > 16
    result = await harness.sync()
    assert harness.embedder.texts == result.chunks_created, "each text was embedded once"


async def test_binary_and_odd_files_fail_alone_and_visibly(harness: Harness) -> None:
    harness.repository.write("docs/image.md", b"\x89PNG\x00\x01")
    harness.repository.write("docs/latin.md", b"caf\xe9 au lait")
    harness.repository.write("docs/empty.md", "")
    harness.repository.write("docs/blank.md", " \n\n ")
    sha = harness.repository.commit()
    result = await harness.sync()
    assert result.sha == sha
    assert await harness.text_of("docs/latin.md") == ["café au lait"]
    rows = await harness.pool.fetch("SELECT path, outcome, reason FROM knowledge_files ORDER BY path")
    outcomes = {row["path"]: row["outcome"] for row in rows}
    assert outcomes["docs/image.md"] == "unsupported"
    assert outcomes["docs/empty.md"] == outcomes["docs/blank.md"] == "empty"
    assert (await harness.sync()).type == "skipped"

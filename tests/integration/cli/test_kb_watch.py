"""A running sync: what the job, the fact, the history and ``takaro kb sync --watch`` show of it."""

import asyncio
import json
import os
import pty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.embeddings import serve_embeddings
from tests.support.forks import Fork
from tests.support.github import Answer
from tests.support.knowledge import knowledge_service
from tests.support.services import Service
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)

BAR = "━"
BASES = """
knowledgeBases:
  - {id: guide, source: guide, chunkSize: 200, chunkOverlap: 0}
  - {id: rules, source: rules, chunkSize: 200, chunkOverlap: 0}
"""
FIGURES = "1 of 4 files, 1 chunks, 35 tokens, "


async def test_a_sync_in_its_middle_is_told_in_the_job_the_fact_the_history_and_a_bar(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    for base_id in ("guide", "rules"):
        (tmp_path / base_id).mkdir()
        for number in range(4):
            text = f"Page {number} of {base_id}: " + "x" * (140 - len(f"Page {number} of {base_id}: "))
            (tmp_path / base_id / f"{number}.md").write_text(text)
    (tmp_path / "bases.yaml").write_text(BASES)
    gate = asyncio.Event()

    async def answer_the_first_page_slowly_and_no_other(texts: list[str]) -> Answer | None:
        await (asyncio.sleep(0.1) if "Page 0" in texts[0] else gate.wait())
        return None

    async with serve_embeddings() as api:
        api.before = answer_the_first_page_slowly_and_no_other
        environment = api.environment(
            "any/model",
            EMBEDDINGS_BATCH_SIZE="1",
            EMBEDDINGS_CONCURRENCY="16",
            KNOWLEDGE_BASES_FILE=str(tmp_path / "bases.yaml"),
            SYNC_AT_START="false",
        )
        async with knowledge_service(database, redis_url, tmp_path / "service", **environment) as service:
            with a_terminal() as (terminal, shown):
                files = [tmp_path / name for name in ("stdin", "stdout", "stderr")]
                for file in files:
                    file.touch()
                watchers = [
                    watch("guide", service.url, tmp_path, [terminal] * 3),
                    watch("rules", service.url, tmp_path, files),
                ]
                await eventually(lambda: all(part in shown() for part in (BAR, "reading", FIGURES, " left")))
                lines = await eventually(lambda: (text := files[2].read_text()).count(FIGURES) and text)
                assert BAR not in str(lines)
                assert str(lines).splitlines()[-1].startswith(f"reading: {FIGURES}")
                await check_what_is_told_in_its_middle(service, redis)
                gate.set()
                assert [await asyncio.to_thread(watcher.wait, 20) for watcher in watchers] == [0, 0]
                assert "completed at" in shown()
                assert files[1].read_text().startswith("completed at"), "the result alone"


async def check_what_is_told_in_its_middle(service: Service, redis: Redis) -> None:
    async with service.client("ada") as client:
        [sync] = (await client.get("/api/knowledge-bases/guide/syncs")).json()["data"]
    job = json.loads(await redis.hget(f"bull:kb-sync:{sync['jobId']}", "progress") or "null")
    entries: Any = await redis.xrange("knowledge.events")
    [*_, fact] = [
        json.loads(fields["data"])
        for _, fields in entries
        if (fields["type"], fields["subject"]) == ("knowledge.sync.progressed.v1", "guide")
    ]
    assert sync["state"] == "running"
    for progress in (sync["progress"], job, fact):
        counts = {"filesRead": 1, "filesToRead": 4, "chunksEmbedded": 1, "tokens": 35}
        assert progress.items() >= {"phase": "reading", **counts}.items()
        assert progress["rate"] > 0
        assert progress["secondsLeft"] > 0


def watch(base_id: str, url: str, folder: Path, files: Sequence[Path]) -> Fork:
    settings = {"KNOWLEDGE_URL": url, "TERM": "xterm", "COLUMNS": "160"}
    arguments = ("kb", "sync", base_id, "--watch", "--user", "ada")
    return Fork("takaro", arguments, environment=os.environ | settings, cwd=folder, files=files)


@contextmanager
def a_terminal() -> Iterator[tuple[Path, Callable[[], str]]]:
    """The device of a terminal, and what it has shown so far."""
    terminal, inner = pty.openpty()
    os.set_blocking(terminal, False)
    seen = b""

    def shown() -> str:
        nonlocal seen
        with suppress(BlockingIOError):
            while part := os.read(terminal, 65536):
                seen += part
        return seen.decode(errors="replace")

    try:
        yield Path(os.ttyname(inner)), shown
    finally:
        os.close(inner)
        os.close(terminal)

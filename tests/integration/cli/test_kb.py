"""``takaro kb`` against a running knowledge service."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.integration.cli.terminal import Terminal
from tests.support.knowledge import knowledge_service
from tests.support.servers import free_port

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def kb(database: str, redis: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Terminal]:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "levers.md").write_text("# Levers\n\nPull the red lever to stop the machine.")
    (docs / "photo.md").write_bytes(b"\x00\x01")
    async with knowledge_service(
        database, redis_url, tmp_path / "service", LOCAL_SOURCES_ROOT=str(tmp_path)
    ) as service:
        yield Terminal({"KNOWLEDGE_URL": service.url, "DOCS": docs.as_uri()})


async def test_a_base_is_added_synced_searched_scheduled_and_removed(kb: Terminal, tmp_path: Path) -> None:
    source = (tmp_path / "docs").as_uri()
    as_ada = ("--user", "ada")
    added = await kb("kb", "add", "guide", source, "--name", "Guide", "--watch", *as_ada)
    assert "1 modified" not in added.out
    assert "completed at" in added.out
    assert "2 added" in added.out
    assert "photo.md: unsupported" in added.err
    [base] = (await kb("kb", "list", "--json", *as_ada)).json["knowledgeBases"]
    assert (base["id"], base["name"], base["documentCount"]) == ("guide", "Guide", 1)
    listed = (await kb("kb", "list", *as_ada)).out
    assert all(part in listed for part in ("guide", "Guide", "idle", base["lastCommitSha"][:12], source))
    [hit, *_] = (await kb("kb", "search", "guide", "stop the machine", "--json", *as_ada)).json["hits"]
    assert hit["metadata"]["sourceFile"] == "levers.md"
    shown = (await kb("kb", "search", "guide", "stop the machine", *as_ada)).out
    assert "levers.md" in shown
    assert "\n# Levers\n" in shown
    named = ("kb", "search", "guide", "stop the machine", "--version")
    assert (await kb(*named, "latest", "--json", *as_ada)).json["hits"] == [hit]
    assert "no version '1'" in (await kb(*named, "1", *as_ada, expect=1)).err
    await _search_reads_well(kb, *as_ada)
    in_use = await kb("kb", "remove", "guide", "--version", "latest", "--yes", *as_ada, expect=2)
    assert "'latest' is the version that searches find" in in_use.err
    scheduled = (await kb("kb", "schedule", "guide", "0 * * * *", "--json", *as_ada)).json
    assert scheduled["refreshSchedule"] == "0 * * * *"
    assert "refreshSchedule" not in (await kb("kb", "schedule", "guide", "--off", *as_ada)).out
    synced = (await kb("kb", "sync", "guide", "--watch", "--json", *as_ada)).json
    assert (synced["state"], synced["type"], synced["trigger"]) == ("completed", "skipped", "http")
    history = (await kb("kb", "history", "guide", "--json", *as_ada)).json["syncs"]
    assert [sync["trigger"] for sync in history] == ["http", "registry"]
    text = (await kb("kb", "history", "guide", "--files", *as_ada)).out
    assert all(part in text for part in ("registry", "skipped", "photo.md", "unsupported"))
    kept = await kb("kb", "remove", "guide", *as_ada, expect=2)
    assert "--yes" in kept.err
    assert "guide removed" in (await kb("kb", "remove", "guide", "--yes", *as_ada)).out
    assert (await kb("kb", "list", "--json", *as_ada)).json == {"knowledgeBases": []}


async def _search_reads_well(kb: Terminal, *as_ada: str) -> None:
    asked = ("kb", "search", "guide", "How do I stop the machine?", *as_ada)
    coloured = (await kb.with_settings(FORCE_COLOR="1")(*asked)).out
    assert "\x1b[1;33mstop\x1b[0m the \x1b[1;33mmachine\x1b[0m" in coloured, "words of the question stand out"
    plain = await kb(*asked, "--explain", "--neighbours", "1", "--path", "lev")
    assert "\x1b" not in plain.out
    assert plain.out.startswith("1. rrf 0.")
    assert (await kb(*asked, "--mode", "text")).out.startswith("1. bm25 ")
    assert "RERANK_URL" in (await kb(*asked, "--rerank", expect=2)).err
    assert "levers.md" in plain.out.splitlines()[0]
    assert "(part 1 of 1)" in plain.out.splitlines()[0]
    assert "plan: hybrid (guide: 1 chunks" in plain.err
    assert "nothing found" in (await kb(*asked, "--path", "other/", expect=1)).err
    assert "nothing found" in (await kb(*asked, "--filter", '{"title": "None"}', expect=1)).err
    assert "isn't JSON" in (await kb(*asked, "--filter", "{", expect=2)).err
    assert (
        'filters: "author" isn\'t one of path'
        in (await kb(*asked, "--filter", '{"author": "me"}', expect=2)).err
    )
    assert "'none' not found" in (await kb(*asked, "--also", "none", expect=1)).err


async def test_errors_say_what_to_do(kb: Terminal, tmp_path: Path) -> None:
    as_ada = ("--user", "ada")
    assert "TAKARO_TOKEN" in (await kb("kb", "list", expect=2)).err
    refused = await kb("kb", "add", "a", "nowhere", "--refresh", "soon", *as_ada, expect=2)
    assert "refreshSchedule: must be five cron fields" in refused.err
    assert "not found" in (await kb("kb", "sync", "none", *as_ada, expect=1)).err
    assert "--off" in (await kb("kb", "schedule", "none", *as_ada, expect=2)).err
    with_token = kb.with_settings(TAKARO_TOKEN="x.y.z")
    assert "doesn't accept these credentials" in (await with_token("kb", "list", expect=2)).err
    nowhere = kb.with_settings(KNOWLEDGE_URL=f"http://127.0.0.1:{free_port()}")
    away = await nowhere("kb", "list", *as_ada, expect=1)
    assert "KNOWLEDGE_URL" in away.err
    assert "Traceback" not in away.err
    missing = (tmp_path / "missing").as_uri()
    failed = await kb("kb", "add", "lost", missing, "--watch", *as_ada, expect=1)
    assert "the sync failed" in failed.err
    [lost] = (await kb("kb", "list", "--json", *as_ada)).json["knowledgeBases"]
    assert (lost["state"], lost["lastError"] in failed.err) == ("failed", True)
    assert "failed" in (await kb("kb", "list", *as_ada)).out


async def test_a_base_is_evaluated_with_questions_of_its_user(kb: Terminal, tmp_path: Path) -> None:
    as_ada = ("--user", "ada")
    (tmp_path / "docs/knobs.md").write_text("# Knobs\n\nTurn the knob to make it louder.")
    source = (tmp_path / "docs").as_uri()
    for base in ("guide", "other"):
        await kb("kb", "add", base, source, "--watch", *as_ada)
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        '{"question": "stop the machine", "files": ["levers.md"]}\n'
        '{"question": "make it louder", "files": ["knobs.md", "levers.md"]}\n'
        '{"question": "weather", "files": ["weather.md"]}\n'
    )
    asked = ("kb", "eval", "guide", str(questions))
    told = (await kb(*asked, "--json", "--limit", "3", *as_ada)).json
    [row] = told["settings"]
    assert (told["questions"], told["limit"], row["setting"]) == (3, 3, "guide")
    assert (
        row["measures"]["hit@1"] == row["measures"]["mrr"] == row["measures"]["ndcg"] == pytest.approx(2 / 3)
    )
    assert row["measures"]["recall"] == 1.0
    shown = (await kb(*asked, "--against-base", "other", *as_ada)).out
    assert all(part in shown for part in ("3 questions", "guide", "other", "hit@5", "0.667", "+0.000"))
    assert "0 questions better" in shown
    assert "not found" in (await kb("kb", "eval", "none", str(questions), *as_ada, expect=1)).err
    questions.write_text("nonsense")
    assert "line 1 isn't JSON" in (await kb(*asked, *as_ada, expect=2)).err

"""The documents of a base over HTTP: listed in pages, and read as they were before they were cut."""

from pathlib import Path

import asyncpg
import httpx
import pytest

from knowledge.search.records import Place
from knowledge.search.surroundings_repository import list_near, list_origins
from tests.integration.knowledge.service.asking import synced
from tests.support.knowledge import Jobs, fetch
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)

BASE = "/api/knowledge-bases/guide/documents"


async def again(client: httpx.AsyncClient, jobs: Jobs) -> None:
    """Sync the base, and wait for that."""
    answer = await client.post("/api/knowledge-bases/guide/sync")
    await jobs.finished(answer.json()["data"]["jobId"])


async def test_documents_are_listed_by_path_in_pages(
    client: httpx.AsyncClient, docs: Path, jobs: Jobs
) -> None:
    await synced(client)
    for number in range(5):
        (docs / f"page {number} #?.md").write_text(f"---\ntitle: Page {number}\n---\nText of page {number}.")
    (docs / "empty.md").write_text("")
    await again(client, jobs)
    everything = (await client.get(BASE)).json()["data"]
    paths = [each["path"] for each in everything]
    assert paths == sorted(["deep/buttons.md", "levers.md", *(f"page {n} #?.md" for n in range(5))])
    assert everything[0]["chunks"] > 1
    assert {each["link"] for each in everything} == {None}
    for order, expected in (("asc", paths), ("desc", paths[::-1])):
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            params = {"limit": "3", "order": order} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(BASE, params=params)).json()
            seen += [each["path"] for each in page["data"]]
            cursor = page["meta"]["nextCursor"]
        assert seen == expected
    some = (await client.get(BASE, params={"prefix": "page 3"})).json()["data"]
    assert [each["path"] for each in some] == ["page 3 #?.md"]
    read = await client.get(f"{BASE}/page%203%20%23%3F.md")
    assert read.json()["data"]["text"].endswith("Text of page 3.")


async def test_a_document_is_read_as_it_was_before_it_was_cut(
    client: httpx.AsyncClient, docs: Path, jobs: Jobs
) -> None:
    await synced(client)
    text = "# Long\n\n" + "\n\n".join(
        f"Paragraph {number} tells of lever {number * 7} in some detail, and of button {number * 3}."
        for number in range(120)
    )
    (docs / "long.md").write_text(text)
    await again(client, jobs)
    whole = (await client.get(f"{BASE}/long.md")).json()["data"]
    assert whole["text"].split() == text.split()
    assert whole["chunks"] > 5
    assert (whole["path"], whole["firstChunk"], whole["nextChunk"]) == ("long.md", 0, None)
    parts: list[str] = []
    start: int | None = 0
    while start is not None:
        params = {"firstChunk": start, "limit": 2}
        part = (await client.get(f"{BASE}/long.md", params=params)).json()["data"]
        parts.append(part["text"])
        start = part["nextChunk"]
    assert len(parts) > 2
    assert "".join(parts) == whole["text"]
    beyond = (await client.get(f"{BASE}/long.md", params={"firstChunk": 10_000})).json()["data"]
    assert (beyond["text"], beyond["nextChunk"]) == ("", None)


async def test_the_node_applications_rows_are_documents_too(client: httpx.AsyncClient, database: str) -> None:
    await synced(client)
    await fetch(
        database,
        """
        INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding, metadata)
        SELECT 'guide', 'theirs', 'Chunk number ' || n || '.',
               (SELECT embedding FROM knowledge_embeddings LIMIT 1),
               jsonb_build_object('sourceFile', 'their/page.md', 'chunkIndex', n, 'totalChunks', 12)
        FROM generate_series(0, 11) AS n
        """,
    )
    params = {"version": "theirs"}
    [listed] = (await client.get(BASE, params=params)).json()["data"]
    assert (listed["path"], listed["chunks"]) == ("their/page.md", 12)
    read = (await client.get(f"{BASE}/their/page.md", params=params)).json()["data"]
    assert read["text"].split("\n") == [f"Chunk number {n}." for n in range(12)]
    origins, places = await _around(database)
    assert origins == {("guide", "theirs")}
    assert places == {5: "Chunk number 5.", 11: "Chunk number 11."}


async def _around(database: str) -> tuple[set[tuple[str, str]], dict[int, str]]:
    """What a search would show beside hits of these rows: they were made by no model that searches here."""
    connection = await asyncpg.connect(database)
    try:
        places = [Place("guide", "theirs", "their/page.md", index) for index in (5, 11, 12)]
        near = await list_near(connection, places)
        origins = await list_origins(connection, {("guide", "theirs")})
    finally:
        await connection.close()
    return set(origins), {place.index: text for place, text in near.items()}


async def test_what_is_not_there_or_not_theirs_is_not_read(
    client: httpx.AsyncClient, service: Service
) -> None:
    base = await synced(client)
    mine = {"id": "mine", "name": "Mine", "source": base["source"]}
    await client.post("/api/knowledge-bases", json=mine)
    await synced(client, "mine")
    async with service.client("user-2") as stranger:
        for path in ("", "/levers.md"):
            refused = await stranger.get(f"/api/knowledge-bases/mine/documents{path}")
            assert refused.status_code == 403
    missing = await client.get(f"{BASE}/none.md")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "document_not_found")
    for path in (
        "/api/knowledge-bases/none/documents",
        f"{BASE}?version=none",
        f"{BASE}/levers.md?version=x",
    ):
        assert (await client.get(path)).status_code == 404
    for params in ({"firstChunk": "-1"}, {"firstChunk": "x"}, {"limit": "501"}, {"version": ""}):
        assert (await client.get(f"{BASE}/levers.md", params=params)).status_code == 400, params
    assert (await client.get(f"{BASE}/a%00b")).status_code == 400
    assert (await client.get(BASE, params={"cursor": "x"})).status_code == 400

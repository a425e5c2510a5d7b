"""Rows of another writer, whose metadata may be anything: each way to them answers as it says it does."""

import json
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import TypeAdapter

from knowledge.embeddings.hashing import HashingEmbedder
from knowledge.reading.wire import DocumentJson, ListedJson
from knowledge.search.wire import AnswerJson, HitJson
from tests.integration.knowledge.service.asking import synced
from tests.integration.knowledge.service.test_searches import ASKED
from tests.support.mcp import mcp_client, text_of
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)

GUIDE = "/api/knowledge-bases/guide"
AT = {"sourceFile": "levers.md"}
ODD: list[Any] = [
    None,
    [1],
    ["sourceFile", "title"],
    "sourceFile",
    5,
    True,
    {"sourceFile": 5, "chunkIndex": 0, "totalChunks": 1},
    AT | {"title": {"a": 1}, "headings": "Levers", "frontMatter": [1], "totalChunks": "1"},
    AT | {"title": [], "headings": ["Levers", 5, None, {"a": 1}], "frontMatter": "x", "chunkIndex": "0"},
    AT | {"chunkIndex": True, "totalChunks": True},
    AT | {"chunkIndex": 0, "totalChunks": 1e30},
    AT | {"chunkIndex": 0.5},
    *(AT | {"chunkIndex": index} for index in (-1, 2**31 - 9, 2**31 - 8, 2**31 - 1, 3 * 10**9, 1e30)),
]


def checked(shape: Any, answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return TypeAdapter[Any](shape).validate_python(answer.json()["data"], strict=True)


async def test_searches_answer_whatever_a_rows_metadata_is(
    client: httpx.AsyncClient, service: Service, database: str
) -> None:
    await synced(client)
    connection = await asyncpg.connect(database)
    async with mcp_client(f"{service.url}/mcp", {"X-User-Id": "user-1"}) as agent:
        for metadata in ODD:
            await connection.execute(
                "UPDATE knowledge_embeddings SET metadata = $1::text::jsonb", json.dumps(metadata)
            )
            for mode in ("hybrid", "vector", "text"):
                asked = ASKED | {"mode": mode, "neighbours": 3, "explain": True}
                [answer] = checked(list[AnswerJson], await client.post("/api/search", json=asked))
                params = {"q": ASKED["query"], "mode": mode}
                plain = checked(list[HitJson], await client.get(f"{GUIDE}/search", params=params))
                for hit in [*answer["hits"], *plain]:
                    assert hit["metadata"] == (metadata if isinstance(metadata, dict) else {})
                    assert hit.get("headingPath", []) in ([], ["Levers"])
                assert answer["hits"]
                assert plain
            question = {"query": ASKED["query"], "knowledgeBaseIds": ["guide"]}
            found = await agent.call_tool("search_knowledge", question)
            assert not found.is_error, text_of(found)
    await connection.close()


@pytest.mark.parametrize("synced_by_us", [True, False])
async def test_documents_are_listed_and_read_whatever_a_rows_metadata_is(
    client: httpx.AsyncClient, database: str, synced_by_us: bool
) -> None:
    await synced(client)
    connection = await asyncpg.connect(database)
    if not synced_by_us:
        await connection.execute("DELETE FROM knowledge_indexes")
    for metadata in ODD:
        await connection.execute(
            "UPDATE knowledge_embeddings SET metadata = $1::text::jsonb", json.dumps(metadata)
        )
        for listed in checked(list[ListedJson], await client.get(f"{GUIDE}/documents")):
            assert listed["title"] is None
            read = await client.get(f"{GUIDE}/documents/{listed['path']}")
            assert checked(DocumentJson, read)["title"] is None
    await connection.close()


async def test_a_chunk_that_claims_to_be_the_last_possible_one_has_its_place(
    client: httpx.AsyncClient, database: str
) -> None:
    await synced(client)
    connection = await asyncpg.connect(database)
    for index, place in ((2**31 - 9, {"index": 2**31 - 9, "total": 7}), (2**31 - 8, None)):
        metadata = json.dumps(AT | {"chunkIndex": index, "totalChunks": 7})
        await connection.execute("UPDATE knowledge_embeddings SET metadata = $1::text::jsonb", metadata)
        answer = await client.post("/api/search", json=ASKED | {"neighbours": 3})
        [found] = checked(list[AnswerJson], answer)
        assert {json.dumps(hit["position"]) for hit in found["hits"]} == {json.dumps(place)}
        assert found["hits"][0]["neighbours"] == {"before": [], "after": []}
    await connection.close()


async def test_a_vectors_length_changes_no_answer(client: httpx.AsyncClient) -> None:
    await synced(client)
    [vector] = (await HashingEmbedder().embed(["red lever"])).tolist()
    answers = []
    for scale in (1, 1e20, 1e-30, 1e-300):
        asked = {"knowledgeBaseIds": ["guide"], "vector": [number * scale for number in vector]}
        [answer] = checked(list[AnswerJson], await client.post("/api/search", json=asked))
        answers.append([(hit["chunkId"], round(hit["score"], 6)) for hit in answer["hits"]])
    assert answers[0]
    assert len({score for _, score in answers[0]}) > 1
    assert answers == [answers[0]] * 4

"""``POST /api/search`` and the search of one base over HTTP."""

import json
from typing import Any

import httpx
import pytest

from knowledge.embeddings.hashing import HashingEmbedder
from tests.integration.knowledge.service.asking import synced
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)

ASKED = {
    "knowledgeBaseIds": ["guide"],
    "query": "how do I stop the machine with a lever?",
    "mode": "vector",
}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": None}, "body"),
    ({"queries": ["a"]}, "body"),
    ({"query": ""}, "query"),
    ({"query": "x" * 8001}, "query"),
    ({"query": "\ud83d"}, "query"),
    ({"query": None, "queries": []}, "queries"),
    ({"query": None, "queries": ["x"] * 21}, "queries"),
    ({"query": None, "vector": [1.0] * 1535}, "vector"),
    ({"query": None, "vector": [0.0] * 1536}, "vector"),
    ({"query": None, "vector": [1e39] * 1536}, "vector.0"),
    ({"query": None, "vector": ["1"] * 1536}, "vector.0"),
    ({"knowledgeBaseIds": []}, "knowledgeBaseIds"),
    ({"knowledgeBaseIds": ["guide", "guide"]}, "knowledgeBaseIds"),
    ({"knowledgeBaseIds": [f"base-{n}" for n in range(21)]}, "knowledgeBaseIds"),
    ({"limit": 0}, "limit"),
    ({"limit": 101}, "limit"),
    ({"limit": 100, "neighbours": 3, "query": None, "queries": ["a", "b"]}, "body"),
    ({"neighbours": 4}, "neighbours"),
    ({"mode": "psychic"}, "mode"),
    ({"minScore": 1.1}, "minScore"),
    ({"mode": "text", "minScore": 0.5}, "body"),
    ({"rerank": True}, "rerank"),
    ({"query": None, "vector": [1.0] * 1536, "mode": "hybrid"}, "body"),
    ({"query": None, "vector": [1.0] * 1536, "rerank": True}, "body"),
    ({"filters": {"author": "x"}}, "filters"),
    ({"filters": "x"}, "filters"),
    ({"version": ""}, "version"),
]


async def ask(client: httpx.AsyncClient, **more: Any) -> list[dict[str, Any]]:
    answer = await client.post("/api/search", json=ASKED | more)
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = answer.json()["data"]
    return answers


async def test_a_hit_says_what_it_is_and_where_it_stands(client: httpx.AsyncClient) -> None:
    await synced(client)
    [answer] = await ask(client, limit=1)
    assert set(answer) == {"hits"}
    [hit] = answer["hits"]
    assert 0.2 < hit.pop("score") == hit.pop("cosine") < 1
    assert len(hit.pop("chunkId")) == 36
    assert hit.pop("content").startswith("# Levers")
    assert hit.pop("metadata")["sourceFile"] == "levers.md"
    assert isinstance(hit.pop("headingPath"), list)
    hit.pop("title")
    assert hit == {
        "knowledgeBaseId": "guide",
        "version": "latest",
        "scoreKind": "cosine",
        "sourceFile": "levers.md",
        "position": {"index": 0, "total": 1},
        "link": None,
    }


async def test_neighbours_are_those_of_the_file_in_its_order(client: httpx.AsyncClient) -> None:
    await synced(client)
    [answer] = await ask(
        client, query="green button", neighbours=1, limit=50, filters={"path": "deep/buttons.md"}
    )
    hits = {hit["position"]["index"]: hit for hit in answer["hits"]}
    assert len(hits) == hits[0]["position"]["total"] >= 2
    for index, hit in hits.items():
        before, after = hits.get(index - 1), hits.get(index + 1)
        assert hit["neighbours"] == {
            "before": [before["content"]] if before else [],
            "after": [after["content"]] if after else [],
        }


async def test_a_batch_is_answered_in_order_and_a_vector_as_its_text(client: httpx.AsyncClient) -> None:
    await synced(client)
    texts = ["green button", "red lever", "green button"]
    body = {"knowledgeBaseIds": ["guide"], "queries": texts}
    answers = (await client.post("/api/search", json=body)).json()["data"]
    assert [answer["hits"][0]["sourceFile"] for answer in answers] == [
        "deep/buttons.md",
        "levers.md",
        "deep/buttons.md",
    ]
    [vector] = (await HashingEmbedder().embed(["red lever"])).tolist()
    own = {"knowledgeBaseIds": ["guide"], "vector": vector}
    [by_vector] = (await client.post("/api/search", json=own)).json()["data"]
    assert [hit["chunkId"] for hit in by_vector["hits"]] == [hit["chunkId"] for hit in answers[1]["hits"]]


async def test_explain_tells_the_plan_why_and_how_long_its_parts_took(client: httpx.AsyncClient) -> None:
    await synced(client)
    [answer] = await ask(client, explain=True)
    explained = answer["explain"]
    assert explained["plan"]
    assert explained["reason"]
    assert {"embed", "surroundings"} <= explained["milliseconds"].keys()
    assert all(took >= 0 for took in explained["milliseconds"].values())


async def test_modes_find_by_meaning_by_words_and_by_both(client: httpx.AsyncClient) -> None:
    await synced(client)
    kinds = {}
    for mode in ("hybrid", "vector", "text"):
        [answer] = await ask(client, query="red lever", mode=mode, explain=True)
        best = answer["hits"][0]
        assert best["sourceFile"] == "levers.md", mode
        kinds[mode] = (best["scoreKind"], best["cosine"] is None)
        assert [hit["score"] for hit in answer["hits"]] == sorted(
            (hit["score"] for hit in answer["hits"]), reverse=True
        )
    assert kinds == {"hybrid": ("rrf", False), "vector": ("cosine", False), "text": ("bm25", True)}
    by_default = await client.post("/api/search", json={"knowledgeBaseIds": ["guide"], "query": "red lever"})
    assert by_default.json()["data"][0]["hits"][0]["scoreKind"] == "rrf"
    [none] = await ask(client, query="zeppelin", mode="text")
    assert none["hits"] == []
    path = "/api/knowledge-bases/guide/search"
    [hit] = (await client.get(path, params={"q": "red lever", "mode": "text"})).json()["data"]
    assert hit["metadata"]["sourceFile"] == "levers.md"


async def test_several_bases_are_searched_as_one(client: httpx.AsyncClient, service: Service) -> None:
    await synced(client)
    source = (await client.get("/api/knowledge-bases/guide")).json()["data"]["source"]
    mine = {"id": "mine", "name": "Mine", "source": source + "/deep"}
    assert (await client.post("/api/knowledge-bases", json=mine)).status_code == 201
    await synced(client, "mine")
    [answer] = await ask(client, knowledgeBaseIds=["mine", "guide"], limit=100)
    hits = answer["hits"]
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert {hit["knowledgeBaseId"] for hit in hits} == {"mine", "guide"}
    [few] = await ask(client, knowledgeBaseIds=["mine", "guide"], limit=2)
    assert [hit["chunkId"] for hit in few["hits"]] == [hit["chunkId"] for hit in hits[:2]]
    async with service.client("user-2") as stranger:
        body = ASKED | {"knowledgeBaseIds": ["guide", "mine"]}
        assert (await stranger.post("/api/search", json=body)).status_code == 403
    body = ASKED | {"knowledgeBaseIds": ["guide", "none"]}
    answered = await client.post("/api/search", json=body)
    assert (answered.status_code, answered.json()["error"]) == (404, "Knowledge base 'none' not found")
    assert answered.headers["x-error-code"] == "knowledge_base_not_found"


async def test_the_search_of_one_base_takes_a_filter_and_a_least_score(client: httpx.AsyncClient) -> None:
    await synced(client)
    path = "/api/knowledge-bases/guide/search"
    deep: dict[str, Any] = {
        "q": "lever",
        "limit": 50,
        "filter": '{"path": {"prefix": "deep/"}}',
        "mode": "vector",
    }
    hits = (await client.get(path, params=deep)).json()["data"]
    assert {hit["metadata"]["sourceFile"] for hit in hits} == {"deep/buttons.md"}
    assert all(set(hit) == {"content", "score", "metadata"} for hit in hits), "the Node application's form"
    everything = (await client.get(path, params={"q": "lever", "limit": 50})).json()["data"]
    least = everything[0]["score"]
    assert (await client.get(path, params={"q": "lever", "minScore": least})).json()["data"] == everything[:1]
    wrong: list[dict[str, str]] = [
        {"filter": "{"},
        {"filter": "[]"},
        {"filter": '{"author": 1}'},
        {"filter": '{"path": NaN}'},
        {"filter": '{"path": "' + "x" * 20_000 + '"}'},
        {"minScore": "2"},
        {"minScore": "nan"},
        {"mode": "psychic"},
        {"minScore": "0.5", "mode": "text"},
    ]
    for params in wrong:
        answer = await client.get(path, params={"q": "lever", **params})
        assert answer.status_code == 400, params
        assert list(answer.json()["details"]) == list(params)[:1]


async def test_a_search_that_makes_no_sense_is_a_400(client: httpx.AsyncClient) -> None:
    for wrong, field in WRONG:
        body = json.dumps(ASKED | wrong)  # also what httpx refuses to send
        headers = {"content-type": "application/json"}
        answer = await client.post("/api/search", content=body, headers=headers)
        assert answer.status_code == 400, wrong
        assert field in answer.json()["details"], answer.json()

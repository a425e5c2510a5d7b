"""Reranking by an API that answers, lies, stalls and fails: an answer always comes, in one order or the
other."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.service.asking import synced
from tests.support.github import Answer
from tests.support.knowledge import knowledge_service
from tests.support.web import Request, WebServer, serve

pytestmark = pytest.mark.timeout(120)

ASKED: dict[str, Any] = {
    "knowledgeBaseIds": ["guide"],
    "query": "how do I stop the machine with a lever?",
    "limit": 2,
    "rerank": True,
    "explain": True,
}


def _answer(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


@dataclass
class Api:
    """A reranker that answers what ``say`` makes of the number of passages; silent with ``stall``."""

    say: Callable[[int], Answer]
    stall: bool = False

    async def handle(self, request: Request) -> Answer:
        if self.stall:
            await asyncio.sleep(60)
        return self.say(len(json.loads(request.body)["documents"]))


def backwards(name: str) -> Callable[[int], Answer]:
    """The last passage is the best; in a list of this name."""
    return lambda count: _answer(
        {name: [{"index": index, "relevance_score": index / count} for index in range(count)]}
    )


@pytest.fixture
async def api() -> AsyncIterator[tuple[Api, WebServer]]:
    made = Api(backwards("results"))
    async with serve(made.handle) as server:
        yield made, server


@pytest.fixture
async def client(
    api: tuple[Api, WebServer], database: str, redis: Redis, redis_url: str, docs: Path, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    environment = {
        "KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml"),
        "LOCAL_SOURCES_ROOT": str(tmp_path),
        "RERANK_URL": f"{api[1].url}/v2/rerank",
        "RERANK_API_KEY": "secret",
        "RERANK_MODEL": "ranker",
        "RERANK_SECONDS": "1",
    }
    async with (
        knowledge_service(database, redis_url, tmp_path / "service", **environment) as service,
        service.client() as client,
    ):
        await synced(client)
        yield client


async def ask(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answered = await client.post("/api/search", json=ASKED | more)
    [answer] = answered.raise_for_status().json()["data"]
    found: dict[str, Any] = answer
    return found


async def test_what_answers_sorts_the_hits(client: httpx.AsyncClient, api: tuple[Api, WebServer]) -> None:
    reranker, server = api
    everything = (await ask(client, rerank=False, limit=100))["hits"]
    for name in ("results", "data"):
        reranker.say = backwards(name)
        answer = await ask(client)
        assert [hit["chunkId"] for hit in answer["hits"]] == [hit["chunkId"] for hit in everything[:-3:-1]]
        assert {hit["scoreKind"] for hit in answer["hits"]} == {"rerank"}
        assert "notReranked" not in answer["explain"]
        assert answer["explain"]["milliseconds"]["rerank"] > 0
    sent = json.loads(server.requests[-1].body)
    assert (sent["model"], sent["query"], len(sent["documents"])) == (
        "ranker",
        ASKED["query"],
        len(everything),
    )
    assert server.requests[-1].headers["authorization"] == "Bearer secret"


async def test_what_lies_stalls_or_fails_leaves_the_answer_as_it_was(
    client: httpx.AsyncClient, api: tuple[Api, WebServer]
) -> None:
    reranker, _ = api
    plain = (await ask(client, rerank=False))["hits"]
    lies: dict[str, Callable[[int], Answer]] = {
        "HTTP 500": lambda _: Answer(500, b"key secret of org-acme"),
        "HTTP 429": lambda _: Answer(429, b"", {"Retry-After": "60"}),
        "HTTP 302": lambda _: Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
        "another form": lambda _: Answer(200, b"<html>"),
        "another form ": lambda _: _answer(["results"]),
        "another form  ": lambda _: _answer({"results": None}),
        "wasn't sent": lambda count: _answer({"results": [{"index": count, "relevance_score": 1}]}),
        "wasn't sent ": lambda _: _answer({"results": [{"index": -1, "relevance_score": 1}]}),
        "wasn't sent  ": lambda _: _answer({"results": [{"index": 0, "relevance_score": "1"}]}),
        "too few": lambda _: _answer({"results": []}),
        "one twice": lambda _: _answer({"results": [{"index": 0, "relevance_score": 1}] * 2}),
        "too large": lambda _: Answer(200, b" " * 2_000_000),
        "be reached": lambda _: Answer(200, b'{"results": []}', sent=3),
    }
    for said, say in lies.items():
        reranker.say = say
        answer = await ask(client)
        assert said.strip() in answer["explain"]["notReranked"], said
        assert "secret" not in json.dumps(answer)
        assert answer["hits"] == plain, said
    reranker.stall = True
    answer = await ask(client)
    assert answer["hits"] == plain
    assert "no answer within 1 s" in answer["explain"]["notReranked"]

"""The MCP server, as agents meet it: through the official SDK's own client."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from mcp.client.client import Client

from tests.integration.knowledge.service.asking import synced
from tests.support.knowledge import knowledge_service
from tests.support.mcp import mcp_client, text_of
from tests.support.plain_http import NO_TLS
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)

USER, STRANGER = {"X-User-Id": "user-1"}, {"X-User-Id": "user-2"}
SECRET = "a secret of at least thirty-two bytes"
PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_are_listed_and_called(service: Service, client: httpx.AsyncClient, mode: str) -> None:
    """With the handshake of earlier protocol versions, and without."""
    await synced(client)
    async with mcp_client(f"{service.url}/mcp", USER, mode=mode) as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        assert set(tools) == {"list_knowledge_bases", "search_knowledge", "read_source"}
        assert all(tool.description and tool.input_schema["properties"] for tool in tools.values())
        assert {"query", "knowledgeBaseIds"} == set(tools["search_knowledge"].input_schema["required"])

        bases = await agent.call_tool("list_knowledge_bases", {})
        assert "guide (Guide): How to" in text_of(bases)
        assert bases.structured_content is not None
        assert [base["id"] for base in bases.structured_content["knowledgeBases"]] == ["guide"]

        question = {"query": "how do I stop the machine with a lever?", "knowledgeBaseIds": ["guide"]}
        found = await agent.call_tool("search_knowledge", question)
        assert not found.is_error
        assert "Pull the red lever" in text_of(found)
        assert found.structured_content is not None
        best = found.structured_content["hits"][0]
        assert best["sourceFile"] == "levers.md"

        read = await agent.call_tool("read_source", {"knowledgeBaseId": "guide", "path": "levers.md"})
        assert "Pull the red lever to stop the machine." in text_of(read)


async def test_a_long_source_is_read_in_parts(service: Service, client: httpx.AsyncClient) -> None:
    await synced(client)
    async with mcp_client(f"{service.url}/mcp", USER) as agent:
        where = {"knowledgeBaseId": "guide", "path": "deep/buttons.md", "limit": 1}
        first = await agent.call_tool("read_source", where)
        assert "read with firstChunk 1" in text_of(first)
        last = await agent.call_tool("read_source", where | {"firstChunk": 1, "limit": 100})
        assert "firstChunk" not in text_of(last)


async def test_mistakes_are_told_to_the_model(service: Service, client: httpx.AsyncClient) -> None:
    base = await synced(client)
    mine = {"id": "mine", "name": "Mine", "source": base["source"]}
    await client.post("/api/knowledge-bases", json=mine)
    await synced(client, "mine")
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("search_knowledge", {}, "query: Field required"),
        ("search_knowledge", {"query": "x" * 8_001, "knowledgeBaseIds": ["guide"]}, "at most 8000"),
        ("search_knowledge", {"query": "x", "knowledgeBaseIds": ["none"]}, "Knowledge base not found"),
        ("search_knowledge", {"query": "x", "knowledgeBaseIds": ["mine"]}, "Forbidden"),
        ("search_knowledge", {"query": "x", "knowledgeBaseIds": ["guide"], "limit": 21}, "limit"),
        (
            "search_knowledge",
            {"query": "x", "knowledgeBaseIds": ["guide"], "filters": {"author": "me"}},
            "isn't one of path, title",
        ),
        ("read_source", {"knowledgeBaseId": "guide", "path": "none.md"}, "no document 'none.md'"),
        ("read_source", {"knowledgeBaseId": "mine", "path": "levers.md"}, "Forbidden"),
        ("list_knowledge_bases", {"cursor": "x"}, "nextCursor"),
        ("format_disk", {}, "There is no tool 'format_disk'"),
    ]
    async with mcp_client(f"{service.url}/mcp", STRANGER) as agent:
        for tool, arguments, said in wrong:
            result = await agent.call_tool(tool, arguments)
            assert result.is_error, (tool, arguments)
            assert said in text_of(result)
        bases = await agent.call_tool("list_knowledge_bases", {})
        assert "mine" not in text_of(bases)


async def test_callers_bodies_and_origins_are_checked_as_everywhere(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, verify=NO_TLS) as nobody:
        refused = await nobody.post("/mcp", json=PING, headers=ACCEPT)
        assert (refused.status_code, refused.json()) == (401, {"error": "Not authenticated"})
        assert refused.headers["www-authenticate"] == "Bearer"
        own = {**ACCEPT, **USER}
        assert (await nobody.post("/mcp", json=PING, headers=own)).status_code == 200
        host = service.url.partition("://")[2]
        for headers, status in (
            ({"Origin": service.url}, 200),
            ({"Origin": "http://evil.example"}, 403),
            ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
            ({"Host": "evil.example"}, 421),
            ({"Host": f"localhost:{host.rpartition(':')[2]}"}, 200),
        ):
            answer = await nobody.post("/mcp", json=PING, headers=own | headers)
            assert answer.status_code == status, (headers, answer.text)
        large = await nobody.post("/mcp", content=b" " * (4 * 1024**2 + 1), headers=own)
        assert large.status_code == 413
        nul = await nobody.post(
            "/mcp",
            content=b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\\u0000"}}',
            headers=own | {"Content-Type": "application/json"},
        )
        assert nul.status_code == 400
        for method in ("GET", "DELETE"):
            assert (await nobody.request(method, "/mcp", headers=own)).status_code == 405
        garbage = await nobody.post("/mcp", content=b"{", headers=own | {"Content-Type": "application/json"})
        assert garbage.status_code == 400


@pytest.mark.usefixtures("docs")
async def test_with_tokens_a_proxy_may_call_by_any_name_and_other_sites_may_not(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    environment = {
        "AUTH_MODE": "jwt",
        "JWT_SECRET": SECRET,
        "CORS_ORIGINS": "https://app.example",
        "KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml"),
        "LOCAL_SOURCES_ROOT": str(tmp_path),
    }
    async with knowledge_service(database, redis_url, tmp_path / "service", **environment) as service:
        named = {"Host": "agents.example", **_bearer(60)}
        async with mcp_client(f"{service.url}/mcp", named) as agent:
            assert "guide" in text_of(await agent.call_tool("list_knowledge_bases", {}))
        async with httpx.AsyncClient(base_url=service.url, trust_env=False, verify=NO_TLS) as client:
            for headers, status in (
                (_bearer(60), 200),
                (_bearer(60) | {"Origin": "https://app.example"}, 200),
                (_bearer(60) | {"Origin": "https://evil.example"}, 403),
                (_bearer(-60), 401),
                ({"X-User-Id": "user-1"}, 401),
            ):
                answer = await client.post("/mcp", json=PING, headers=ACCEPT | headers)
                assert answer.status_code == status, headers


def _bearer(seconds: int) -> dict[str, str]:
    token = jwt.encode({"sub": "user-1", "exp": int(time.time()) + seconds}, SECRET)
    return {"Authorization": f"Bearer {token}"}


Turn = tuple[str, dict[str, Any]]


async def converse(agent: Client, model: Callable[[str, list[str]], Turn | str], question: str) -> str:
    """The loop of every agent: the model sees the tools and what they said so far, and calls one more or
    answers."""
    tools = "\n".join(f"{tool.name}: {tool.description}" for tool in (await agent.list_tools()).tools)
    said: list[str] = [question]
    for _ in range(8):
        turn = model(tools, said)
        if isinstance(turn, str):
            return turn
        said.append(text_of(await agent.call_tool(*turn)))
    raise AssertionError(said)


def scripted(tools: str, said: list[str]) -> Turn | str:
    """A model that reads nothing but what tools say of themselves, and what they answered."""
    question, *results = said
    if not results:
        assert "list_knowledge_bases" in tools
        return "list_knowledge_bases", {}
    if len(results) == 1:
        ids = re.findall(r"^- (\S+) ", results[0], re.MULTILINE)
        return "search_knowledge", {"query": question, "knowledgeBaseIds": ids, "limit": 2}
    if len(results) == 2:
        found = re.search(r"^\[1\] (\S+): (.+?), chunk \d+ ", results[1], re.MULTILINE)
        assert found
        return "read_source", {"knowledgeBaseId": found[1], "path": found[2]}
    answer = re.search(r"Pull the (\w+) lever", results[2])
    return f"the {answer[1]} one" if answer else "I don't know"


async def test_an_agents_loop_finds_the_answer(service: Service, client: httpx.AsyncClient) -> None:
    await synced(client)
    async with mcp_client(f"{service.url}/mcp", USER) as agent:
        question = "Which lever do I pull to stop the machine?"
        assert await converse(agent, scripted, question) == "the red one"

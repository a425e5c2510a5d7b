"""Whoever searches finds nothing of a base that they may not read, whichever way the question takes."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.knowledge.registry.asking import BASES
from tests.support.github import GitRepository
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)

SECRET = "red lever"
NEW_AGENT = """
INSERT INTO custom_agents (user_id, name, description, system_prompt, tools, knowledge_bases, model)
VALUES ('bob', 'Spy', 'Looks around', 'Search.', '[]', '["handbook"]', 'm') RETURNING id
"""


@pytest.fixture
async def agent(database: str, handbook: str) -> Any:
    """The id of Bob's agent, which names Ada's private base."""
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetchval(NEW_AGENT)
    finally:
        await connection.close()


async def test_an_agent_opens_no_private_base_of_another_user(
    service: tuple[Service, GitRepository], ada: httpx.AsyncClient, bob: httpx.AsyncClient, agent: Any
) -> None:
    kb = Terminal({"KNOWLEDGE_URL": service[0].url})
    asked = ("kb", "search", "handbook", SECRET, "--json", "--user")

    async def finds_nothing(user: httpx.AsyncClient, name: str) -> None:
        for path in ("search?q=red+lever", "search?q=red+lever&version=latest", "agents", "syncs", ""):
            answer = await user.get(f"{BASES}/handbook/{path}".rstrip("/"))
            assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"}), path
        for more in ((), ("--version", "latest")):
            said = await kb(*asked, name, *more, expect=2)
            assert "Forbidden" in said.err
            assert SECRET not in said.out + said.err

    async with service[0].client("carol") as carol:
        await finds_nothing(bob, "bob")
        await finds_nothing(carol, "carol")
        # What the agent names is found once its user may read it, and no longer than that.
        await ada.put(f"{BASES}/handbook", json={"public": True})
        answer = await bob.get(f"{BASES}/handbook/search?q=red+lever&limit=1")
        assert SECRET in answer.json()["data"][0]["content"]
        assert (await kb(*asked, "bob")).json["hits"]
        assert (await bob.get(f"{BASES}/handbook/agents")).json()["data"] == [str(agent)]
        await ada.put(f"{BASES}/handbook", json={"public": False})
        await finds_nothing(bob, "bob")
        await finds_nothing(carol, "carol")
    assert (await kb(*asked, "ada")).json["hits"]

"""The programs in examples/, run as their readers run them."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from takaro_agent_client import AsyncClient
from takaro_agent_client.operations import conversations, knowledge, messages
from tests.e2e.conftest import BASE, System
from tests.support.curl import path_with_curl
from tests.support.node import find_node
from tests.support.wait import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES = 80
"""A longer one is no example any more."""


class Shell:
    """Runs programs with ``settings``, as ``user``."""

    def __init__(self, system: System) -> None:
        self.user = f"reader-{uuid4()}"
        ours = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
        self.environment = {
            **ours,
            "CHAT_URL": system["chat"].url,
            "KNOWLEDGE_URL": system["knowledge"].url,
            "COCKPIT_URL": system["cockpit"].url,
            "TAKARO_USER": self.user,
            "EVENT_BUS_URL": system.redis_url,
            "PYTHONWARNINGS": "error",
        }

    async def __call__(self, *command: str, stdin: str = "") -> list[str]:
        """The lines that it prints."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )
        said, complained = await process.communicate(stdin.encode())
        assert process.returncode == 0, complained.decode()
        return said.decode().splitlines()

    async def python(self, name: str, *arguments: str, stdin: str = "") -> list[str]:
        return await self(sys.executable, str(EXAMPLES / name), *arguments, stdin=stdin)


@pytest.fixture
def shell(system: System) -> Shell:
    return Shell(system)


def test_examples_are_short_and_the_page_names_all() -> None:
    page = (EXAMPLES / "README.md").read_text()
    programs = [file for file in EXAMPLES.iterdir() if file.suffix in (".py", ".mjs", ".sh")]
    assert {file.name for file in programs} == set(re.findall(r"\]\((\w+\.(?:py|mjs|sh))\)", page))
    assert {file.name: len(file.read_text().splitlines()) for file in programs if _is_long(file)} == {}


def _is_long(file: Path) -> bool:
    return len(file.read_text().splitlines()) > LINES


async def test_chat_goes_on_with_a_conversation(shell: Shell) -> None:
    first = await shell.python("talk.py", stdin="hello\n\nagain\n")
    assert [line.split(maxsplit=1) for line in first[:-1]] == [
        ["1", "user       hello"],
        ["2", "user       again"],
    ]
    id = first[-1].split()[-1]
    more = await shell.python("talk.py", id, stdin="and again\n")
    assert more == [*first[:-1], "   3  user       and again", first[-1]]


async def test_commands_are_published_and_their_facts_followed_across_a_restart(
    shell: Shell, bus: Redis, tmp_path: Path
) -> None:
    newest: Any = await bus.xrevrange("chat.events", count=1)
    position = tmp_path / "position.txt"
    position.write_text(newest[0][0] if newest else "0")
    published = await shell.python("publish_commands.py", shell.user)
    conversation = published[-1].split()[-1]

    async def told() -> list[str]:
        following: Any = await bus.xrange("chat.events", min=f"({position.read_text()}")
        facts = [f"{each['type']} {each['subject']} {each['sequence']}" for _, each in following]
        assert f"chat.message.appended.v1 {conversation} 2" in facts
        return facts

    facts = await eventually(told)
    followed = await shell.python("follow_facts.py", str(position), "1")
    followed += await shell.python("follow_facts.py", str(position), str(len(facts) - 1))
    assert followed == facts


async def test_langchain_answers_from_a_base_and_keeps_the_talk(shell: Shell, system: System) -> None:
    chat, base = system["chat"].url, system["knowledge"].url
    async with (
        httpx.AsyncClient(trust_env=False) as http,
        AsyncClient(user=shell.user, http=http, chat=chat, knowledge=base) as client,
    ):
        await client.send(knowledge.sync(BASE))

        async def synced() -> bool:
            return (await client.send(knowledge.get(BASE))).document_count == 2

        await eventually(synced)
        said = await shell.python("langchain_chat.py", BASE, "Whom may I ban?")
        assert said[:2] == ["human: Whom may I ban?", "ai: I found this for you."]
        assert {line.split()[-1] for line in said[2:]} == {"moderation/bans.md", "welcome.md"}
        [conversation] = [each async for each in client.each(conversations.listing())]
        kept = [each.role async for each in client.each(messages.listing(conversation.id))]
    assert kept == ["user", "assistant"]


@pytest.mark.large  # to import the SDK takes five seconds, twice
async def test_an_agent_remembers_its_session(shell: Shell) -> None:
    first = await shell.python("agents_session.py", "My name is Ada")
    id = first[-1].split()[-1]
    again = await shell.python("agents_session.py", "What is my name?", id)
    assert again[0] == "You told me: ['My name is Ada', 'What is my name?']"


async def test_node_talks_and_follows_events(shell: Shell) -> None:
    node, _ = find_node()
    said = await shell(node, str(EXAMPLES / "talk.mjs"), "Which hooks?")
    assert said[0] == "user Which hooks?"
    assert said[1].startswith("connected")
    assert said[-1].endswith("running")


async def test_curl_talks(shell: Shell, tmp_path: Path) -> None:
    shell.environment["PATH"] = path_with_curl(tmp_path)
    said = await shell("sh", str(EXAMPLES / "talk.sh"), "Which hooks?")
    assert said[0].startswith('{"data":{"id":')
    assert '"total":1' in said[2]
    assert re.fullmatch(r"conversation [0-9a-f-]{36}", said[-1])

"""What docs/client.md shows in Python, Node and curl, run as written but for addresses and credentials."""

import asyncio
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from takaro_agent_client import Client
from takaro_agent_client.operations import conversations, messages, states
from tests.e2e.conftest import System
from tests.support.node import find_node
from tests.support.plain_http import NO_TLS

DOCS = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
USER = "reader"
WROTE = "Write a module that greets new players"


def shown(language: str, heading: str, number: int = 0) -> str:
    """A code block of a section."""
    section = re.split(r"\n## ", DOCS.split(f"\n## {heading}\n", 1)[1], maxsplit=1)[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE)
    return str(blocks[number])


def adapted(code: str, url: str) -> str:
    return (
        code.replace("https://agents.example.com", url)
        .replace('token="…"', f'user="{USER}"')
        .replace("authorization: `Bearer ${token}`", f'"x-user-id": "{USER}"')
        .replace('-H "Authorization: Bearer $TOKEN"', f"-H 'X-User-Id: {USER}'")
    )


async def program(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return said.decode()


def newest_messages(url: str) -> list[str]:
    with Client(chat=url, user=USER) as client:
        newest = next(client.each(conversations.listing()))
        return [message.content for message in client.each(messages.listing(newest.id))]


async def test_python(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    code = adapted(shown("python", "Talk"), system["chat"].url)
    scope: dict[str, Any] = {}
    await asyncio.to_thread(exec, code, scope)
    assert capsys.readouterr().out == f"user {WROTE}\n"
    assert await asyncio.to_thread(newest_messages, system["chat"].url) == [WROTE]


@pytest.mark.parametrize(("number", "copies"), [(2, 0), (3, 1)])
async def test_python_of_states_and_of_exports(
    system: System, number: int, copies: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        httpx.Client(trust_env=False) as http,
        Client(chat=system["chat"].url, user=f"{USER}-{uuid4()}", http=http) as client,
    ):
        conversation = await asyncio.to_thread(client.send, conversations.create("module-writer"))
        scope: dict[str, Any] = {"client": client, "conversation": conversation}
        await asyncio.to_thread(exec, shown("python", "Talk", number), scope)
        state = (await asyncio.to_thread(client.send, states.get(conversation.id))).state
        listed = await asyncio.to_thread(lambda: list(client.each(conversations.listing())))
    assert (state, len(listed)) == ({} if copies else {"step": 2}, 1 + copies)


async def test_node(system: System, tmp_path: Path) -> None:
    script = tmp_path / "client.mjs"
    script.write_text(adapted(shown("js", "Without Python"), system["chat"].url))
    node, _ = find_node()
    await program(node, str(script))
    assert await asyncio.to_thread(newest_messages, system["chat"].url) == [WROTE]


async def test_curl(system: System) -> None:
    """As httpx requests, since not every machine has curl."""
    lines = adapted(shown("sh", "Without Python"), system["chat"].url).replace("$(uuidgen)", str(uuid4()))
    create, read = [line for line in lines.replace("\\\n", " ").splitlines() if "conversations" in line]
    made = await curl(create)
    assert made["userId"] == USER
    assert await curl(read.replace("$ID", made["id"])) == []


async def curl(line: str) -> Any:
    """The ``data`` of the answer to a curl command."""
    words = shlex.split(line)
    given = list(pairwise(words))
    headers = dict(value.split(": ", 1) for name, value in given if name == "-H")
    bodies = [value for name, value in given if name == "-d"]
    async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as http:
        answer = await http.request(
            "POST" if bodies else "GET", words[-1], headers=headers, content=bodies[0] if bodies else None
        )
    return answer.raise_for_status().json()["data"]

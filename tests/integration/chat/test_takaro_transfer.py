"""``takaro export`` and ``takaro import`` against a running chat."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.chat.conftest import post, user_of
from tests.integration.cli.terminal import Terminal
from tests.support.services import Service


@pytest.fixture
def takaro(chat: Service, tmp_path: Path) -> Terminal:
    return Terminal({"CHAT_URL": chat.url}, tmp_path)


@pytest.fixture
async def ids(alice: httpx.AsyncClient) -> list[str]:
    """Three conversations, each with a message and a state; the second one has a title."""
    made = []
    for number in range(3):
        id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
        await post(alice, f"/api/conversations/{id}/messages", content=f"hello \u2028 {number}")
        await alice.patch(f"/api/conversations/{id}/state", json={"n": 1})
        made.append(id)
    await alice.patch(f"/api/conversations/{made[1]}", json={"title": "Grüße"})
    return made


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]


async def all_of(client: httpx.AsyncClient) -> list[Any]:
    """The user's conversations with their messages."""
    listed = (await client.get("/api/conversations")).json()["data"]
    return [
        [each, (await client.get(f"/api/conversations/{each['id']}/messages")).json()["data"]]
        for each in listed
    ]


async def test_a_users_conversations_are_exported_deleted_and_imported(
    takaro: Terminal, alice: httpx.AsyncClient, ids: list[str], tmp_path: Path
) -> None:
    user, before = ("--user", user_of(alice)), await all_of(alice)
    done = await takaro("export", "all.jsonl", *user)
    assert (done.out, done.err) == ("", "3 conversations exported\n")
    file = tmp_path / "all.jsonl"
    begun = [line["id"] for line in lines_of(file) if line["type"] == "conversation"]
    assert begun == ids
    assert "exists" in (await takaro("export", "all.jsonl", *user, expect=2)).err
    for id in ids[:2]:
        await alice.delete(f"/api/conversations/{id}")
    for _ in range(2):  # it may be repeated
        said = (await takaro("import", "all.jsonl", *user)).err
        assert said == "3 conversations imported, with 3 messages\n"
        assert await all_of(alice) == before
    copied = (
        await takaro("import", "-", "--copy", "--skip", "1", "--json", *user, stdin=file.read_text())
    ).json
    assert copied == {"imported": 2, "messages": 2, "refused": []}
    assert len(await all_of(alice)) == 5


async def test_some_conversations_are_exported_to_standard_output(
    takaro: Terminal, alice: httpx.AsyncClient, ids: list[str]
) -> None:
    user = ("--user", user_of(alice))
    found: list[tuple[tuple[str, ...], list[str]]] = [
        (("--agent", "module-writer"), ids),
        (("--agent", "module-writer", "--title", "grüß"), [ids[1]]),
        (("--since", "1h"), ids),
        (("--since", "2099-01-01"), []),
        (("--conversation", ids[2], "--conversation", ids[0]), [ids[2], ids[0]]),
    ]
    for options, wanted in found:
        result = await takaro("export", "-", "--no-history", *options, *user)
        lines = [json.loads(line) for line in result.out.split("\n")[:-1]]
        assert [line["id"] for line in lines if line["type"] == "conversation"] == wanted, options
        assert {line["type"] for line in lines} <= {"conversation", "message", "end"}


async def test_an_export_that_was_interrupted_goes_on(
    takaro: Terminal, alice: httpx.AsyncClient, ids: list[str], tmp_path: Path
) -> None:
    user = ("--user", user_of(alice))
    await takaro("export", "whole.jsonl", *user)
    whole = (tmp_path / "whole.jsonl").read_bytes()
    second = whole.index(b'{"type":"conversation"', 1)
    (tmp_path / "again.jsonl.part").write_bytes(whole[: second + 300])
    await alice.delete(f"/api/conversations/{ids[0]}")
    said = (await takaro("export", "again.jsonl", *user)).err
    assert "has 1 conversations already" in said
    assert "2 conversations exported, 1 were there before" in said
    assert (tmp_path / "again.jsonl").read_bytes() == whole
    assert not (tmp_path / "again.jsonl.part").exists()
    nowhere = takaro.with_settings(CHAT_URL="http://127.0.0.1:9")
    failed = (await nowhere("export", "never.jsonl", *user, expect=1)).err
    assert "CHAT_URL" in failed
    assert "run it again to go on" in failed


async def test_what_cant_be_imported_is_named_and_the_rest_is_imported(
    takaro: Terminal, alice: httpx.AsyncClient, mallory: httpx.AsyncClient, ids: list[str], tmp_path: Path
) -> None:
    await takaro("export", "all.jsonl", "--user", user_of(alice))
    file, whole = tmp_path / "all.jsonl", (tmp_path / "all.jsonl").read_text()
    await alice.delete(f"/api/conversations/{ids[2]}")
    await post(alice, f"/api/conversations/{ids[0]}/messages", content="goes on")
    file.write_text(whole.replace('"role":"user"', '"role":7', 2).replace('"role":7', '"role":"user"', 1))
    result = await takaro("import", "all.jsonl", "--json", "--user", user_of(alice), expect=1)
    assert (result.json["imported"], result.json["messages"]) == (1, 1)
    assert [(each["id"], each["line"]) for each in result.json["refused"]] == [(ids[0], 1), (ids[1], 6)]
    assert "A conversation with this id exists" in result.err
    assert "2 conversations were not imported" in result.err
    for wrong, said in (("hello\n", "line 1: isn't"), (whole[:-20], "is cut off")):
        file.write_text(wrong)
        assert said in (await takaro("import", "all.jsonl", "--user", f"u-{uuid4()}", "--copy", expect=2)).err
    assert "can't be read" in (await takaro("import", "none.jsonl", "--user", "ann", expect=2)).err
    assert "TAKARO_TOKEN" in (await takaro("export", "x.jsonl", expect=2)).err

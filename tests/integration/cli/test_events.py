"""``takaro events``: following across streams and outages, and publishing what consumers take."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from contracts.chat import AppendMessage
from tests.integration.cli.terminal import Terminal
from tests.support.probe import COMMANDS, Note, Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import RedisServer, free_port

DATA = '{"conversationId":"0190b5a0-0000-7000-8000-000000000001","role":"user","content":"hi"}'


async def _add(redis: Redis, stream: str, entry_id: str = "*", **fields: str) -> str:
    entry: dict[Any, Any] = {"type": "t.v1", "data": "{}"} | fields
    return str(await redis.xadd(stream, entry, id=entry_id))


async def test_the_past_of_all_streams_comes_in_order_and_dead_letters_only_when_named(
    redis: Redis, takaro: Terminal
) -> None:
    for i, stream in enumerate(["chat.events", "chat.commands", "other.events", "chat.events"]):
        await _add(redis, stream, f"{i + 1}-0", id=str(i))
    await _add(redis, "chat.commands.dead", "9-0", id="dead")
    await _add(redis, "bull:kb-sync:events", "9-0", id="bull")
    result = await takaro("events", "tail", "--no-follow", "--json")
    assert [(line["stream"], line["id"]) for line in result.lines] == [
        ("chat.events", "0"),
        ("chat.commands", "1"),
        ("other.events", "2"),
        ("chat.events", "3"),
    ]
    result = await takaro("events", "tail", "chat.commands.dead", "--no-follow", "--json")
    assert [line["id"] for line in result.lines] == ["dead"]


async def test_many_pages_of_several_streams_are_merged(redis: Redis, takaro: Terminal) -> None:
    for i in range(700):
        await _add(redis, "a.events" if i % 3 else "b.events", f"{1_000 + i}-0")
    result = await takaro("events", "tail", "--no-follow", "--json")
    assert [line["entryId"] for line in result.lines] == [f"{1_000 + i}-0" for i in range(700)]


async def test_filters_and_starting_points_choose(redis: Redis, takaro: Terminal) -> None:
    now = int(time.time() * 1000)
    old = await _add(
        redis, "chat.events", f"{now - 3_600_000}-0", type="chat.message.appended.v1", subject="a"
    )
    new = await _add(redis, "chat.events", f"{now - 1_000}-0", type="chat.message.appended.v1", subject="b")
    other = await _add(redis, "chat.events", f"{now}-0", type="chat.agent.created.v1")
    for arguments, expected in (
        (["--type", "chat.message.*"], [old, new]),
        (["--subject", "b"], [new]),
        (["--from", "10m"], [new, other]),
        (["--from", new], [new, other]),
        (["--from", f"({new}"], [other]),
        (["--from", "BEGINNING", "-n", "2"], [old, new]),
        (["--from", "2001-01-01"], [old, new, other]),
    ):
        result = await takaro("events", "tail", "chat.events", "--no-follow", "--json", *arguments)
        assert [line["entryId"] for line in result.lines] == expected, arguments


async def test_json_lines_have_every_field_of_an_event(redis: Redis, takaro: Terminal) -> None:
    await _add(
        redis,
        "chat.events",
        "1700000000000-0",
        id="e",
        source="/takaro/chat",
        type="chat.x.v1",
        subject="s",
        time="2026-11-22T12:00:00Z",
        sequence="7",
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
        data='{"n":1}',
    )
    await redis.xadd("chat.events", {"hello": "world"}, id="1700000000001-0")
    result = await takaro("events", "tail", "--no-follow", "--json")
    event, malformed = result.lines
    assert event == {
        "stream": "chat.events",
        "entryId": "1700000000000-0",
        "at": "2023-11-14T22:13:20.000000Z",
        "id": "e",
        "source": "/takaro/chat",
        "type": "chat.x.v1",
        "subject": "s",
        "time": "2026-11-22T12:00:00Z",
        "sequence": 7,
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "traceId": "a" * 32,
        "data": {"n": 1},
    }
    assert malformed["fields"] == {"hello": "world"}
    assert "type" in malformed["problem"]


async def test_a_line_for_people_says_the_most_and_never_steers_the_terminal(
    redis: Redis, takaro: Terminal
) -> None:
    await _add(
        redis,
        "chat.events",
        type="chat.x.v1",
        subject="sub\x1b[2Jject",
        sequence="7",
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
        data='{"text": "evil \x1b]0;title\x07 and\nlines [bold]kept[/bold]"}',
    )
    result = await takaro("events", "tail", "--no-follow")
    [line] = result.out.splitlines()
    assert "\x1b" not in line
    for part in ("chat.events", "chat.x.v1", "sub\\x1b[2Jject", "#7", f"trace={'a' * 32}", "[bold]kept"):
        assert part in line


async def test_following_shows_what_comes_from_now_on(redis: Redis, takaro: Terminal) -> None:
    await _add(redis, "chat.events", id="before")
    async with takaro.following("events", "tail", "--json") as following:
        # Until it reads, nothing that is added counts: add until the first line is there.
        count = 0
        first = None
        while first is None:
            count += 1
            await _add(redis, "chat.commands", id=f"new-{count}")
            try:
                first = await following.line(timeout=0.2)
            except TimeoutError:
                continue
        assert '"id":"new-' in first
        assert "before" not in first


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", free_port())
    server.start()
    yield server
    server.stop()


async def test_following_survives_a_restart_of_redis(own_redis: RedisServer, takaro: Terminal) -> None:
    takaro = takaro.with_settings(REDIS_URL=own_redis.url)
    async with Redis.from_url(own_redis.url) as redis:
        await _add(redis, "chat.events", id="one")
    async with takaro.following(
        "events", "tail", "chat.events", "--from", "BEGINNING", "--json"
    ) as following:
        assert '"id":"one"' in await following.line()
        own_redis.stop()
        assert "waiting" in await following.remark()
        own_redis.start()
        async with Redis.from_url(own_redis.url) as redis:
            await _add(redis, "chat.events", id="two")
        assert '"id":"two"' in await following.line()
        assert "back" in await following.remark()


async def test_what_is_published_is_handled_in_its_trace(
    world: RedisWorld, probe: Probe, takaro: Terminal
) -> None:
    async with world.running(probe):
        await world.note("s", 0)
        data = '{"subject": "s", "value": 1}'
        result = await takaro("events", "publish", COMMANDS, Note.type, data, "--json")
        await world.expect(effects=2, facts=2)
    published = result.json
    assert UUID(published["id"])
    [fact] = [fact for fact in await world.facts() if fact["data"]["value"] == 1]
    assert fact["traceparent"].split("-")[1] == published["traceId"]
    assert fact["traceparent"].endswith("-01")


async def test_a_command_is_published_as_its_contract_wants(
    redis: Redis, takaro: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "data.json"
    file.write_text(DATA)
    event_id = str(uuid4())
    for argument, stdin in ((DATA, ""), (f"@{file}", ""), ("-", DATA)):
        result = await takaro(
            "events", "publish", "chat.commands", AppendMessage.type, argument, "--id", event_id, stdin=stdin
        )
        assert event_id in result.out
    entries: Any = await redis.xrange("chat.commands")
    assert len(entries) == 3
    for entry_id, fields in entries:
        assert fields["id"] == event_id
        assert fields["source"] == "/takaro/cli"
        assert fields["subject"] == "0190b5a0-0000-7000-8000-000000000001"
        assert fields["data"] == DATA
        assert entry_id


@pytest.mark.parametrize(
    ("stream", "type_", "data", "says"),
    [
        ("chat.commands", AppendMessage.type, "{}", "conversationId: Field required"),
        ("chat.commands", AppendMessage.type, "{", "isn't JSON"),
        ("chat.commands", AppendMessage.type, "@/nowhere", "can't read /nowhere"),
        ("chat.events", AppendMessage.type, DATA, "belongs on chat.commands"),
        (
            "chat.commands",
            "chat.message.apend.v1",
            DATA,
            "it has chat.agent.announce.v1, chat.conversation.agent_version.set.v1",
        ),
        ("chat.command", "x.v1", "{}", "there is no stream chat.command"),
    ],
)
async def test_what_nobody_would_take_is_refused(
    redis: Redis, takaro: Terminal, stream: str, type_: str, data: str, says: str
) -> None:
    result = await takaro("events", "publish", stream, type_, data, expect=2)
    assert says in result.err
    assert result.out == ""
    assert await redis.dbsize() == 0


async def test_it_is_published_anyway_when_one_insists(redis: Redis, takaro: Terminal) -> None:
    await takaro("events", "publish", "chat.commands", AppendMessage.type, "{}", "--no-validate")
    assert await redis.xlen("chat.commands") == 1

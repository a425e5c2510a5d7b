"""``takaro streams``, ``outbox``, ``event`` and ``trace``: what operators see is correct."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from redis.asyncio import Redis

from backbone.events import EVENT_NAMESPACE
from tests.integration.cli.terminal import Terminal
from tests.support.plain_http import NO_TLS
from tests.support.probe import COMMANDS, FACTS, Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import free_port
from tests.support.wait import eventually

TRACE = "0123456789abcdef0123456789abcdef"
TRACEPARENT = f"00-{TRACE}-0123456789abcdef-01"


async def test_streams_show_lag_pending_and_who_is_active(
    world: RedisWorld, probe: Probe, takaro: Terminal
) -> None:
    async with world.running(probe, "probe-7"):
        await world.note("s", 0)
        await world.expect(effects=1, facts=1, pending=0)
        probe.gate.clear()
        await world.note("s", 1)
        await eventually(world.pending)
        shown = (await takaro("streams", "--json")).json
        text = (await takaro("streams")).out
        probe.gate.set()
    assert shown["leasesKnown"]
    commands, facts = shown["streams"]
    assert (commands["stream"], facts["stream"]) == (COMMANDS, FACTS)
    assert commands["length"] == 2
    [group] = commands["groups"]
    assert (group["group"], group["lag"], group["pending"]) == ("probe", 0, 1)
    assert group["activeConsumer"] == "probe-7"
    assert group["oldestPendingId"] == commands["lastEntryId"]
    assert group["oldestPendingIdleSeconds"] >= 0
    assert facts["groups"] == []
    for part in (COMMANDS, "probe-7"):
        assert part in text


async def test_a_followers_group_shows_who_asked_last_and_not_a_missing_lease(
    world: RedisWorld, takaro: Terminal
) -> None:
    await world.redis.xadd("chat.events", {"type": "t", "data": "{}"})
    for group in ("mine", "new", "cockpit"):
        await world.redis.xgroup_create("chat.events", group, id="0")
    await world.redis.xreadgroup("mine", "worker-1", {"chat.events": ">"}, count=1)
    text = (await takaro("streams")).out
    [mine], [new], [ours] = (
        [line for line in text.splitlines() if f" {group} " in line] for group in ("mine", "new", "cockpit")
    )
    assert "worker-1 (asked " in mine
    assert "no consumer yet" in new
    assert "nobody yet" in ours
    shown = (await takaro("streams", "--json")).json["streams"][0]["groups"]
    asked = {group["group"]: (group["lastConsumer"], group["activeConsumer"]) for group in shown}
    assert asked == {"mine": ("worker-1", None), "new": (None, None), "cockpit": (None, None)}


async def test_the_lag_is_known_after_deletions_and_without_postgres(redis: Redis, takaro: Terminal) -> None:
    ids = [await redis.xadd("chat.commands", {"type": "t", "data": "{}"}) for _ in range(10)]
    await redis.xgroup_create("chat.commands", "chat", id=ids[3])
    await redis.xdel("chat.commands", ids[7])
    down = takaro.with_settings(DATABASE_URL=f"postgresql://takaro:secret@127.0.0.1:{free_port()}/x")
    result = await down("streams", "--json")
    assert "active consumers are unknown" in result.err
    assert "secret" not in result.err
    assert not result.json["leasesKnown"]
    [group] = result.json["streams"][0]["groups"]
    assert group["lag"] == 5
    assert group["activeConsumer"] is None


async def test_the_outbox_shows_what_waits_and_for_whom(
    world: RedisWorld, probe: Probe, takaro: Terminal
) -> None:
    empty = await takaro("outbox", "--json")
    assert empty.json == {"streams": []}
    async with world.running(probe, "probe-7"):
        await world.note("s", 0)
        await world.expect(effects=1, facts=1)
        running = (await takaro("outbox", "--json")).json
    assert running["streams"] == [
        {
            "stream": FACTS,
            "waiting": 0,
            "oldest": None,
            "oldestAgeSeconds": None,
            "relay": "probe-7",
            "relayHeldSeconds": running["streams"][0]["relayHeldSeconds"],
        }
    ]
    await world.execute(
        "INSERT INTO outbox (stream, event_id, type, source, subject, sequence, time, data) "
        "SELECT 'probe.events', gen_random_uuid(), 't', 's', 's', n, now() - interval '1 hour', '{}' "
        "FROM generate_series(1, 3) n"
    )
    stopped = (await takaro("outbox", "--json")).json
    [row] = stopped["streams"]
    assert (row["waiting"], row["relay"]) == (3, None)
    assert row["oldestAgeSeconds"] >= 3_600
    text = (await takaro("outbox")).out
    assert "nobody (last: probe-7)" in text
    assert "1h" in text


@pytest.mark.parametrize("event_id", [str(uuid4()), "order-7"], ids=["uuid", "text"])
async def test_an_event_is_followed_to_its_facts(
    world: RedisWorld, probe: Probe, takaro: Terminal, event_id: str
) -> None:
    async with world.running(probe):
        await world.note("other", 0)
        entry_id = await world.note("s", 1, id=event_id, traceparent=TRACEPARENT)
        await world.expect(effects=2, facts=2, pending=0)
    found = (await takaro("event", event_id, "--json")).json
    key = event_id if "order" not in event_id else str(uuid5(EVENT_NAMESPACE, f"test\n{event_id}"))
    assert found["id"] == event_id
    assert found["keys"] == [key]
    assert found["traceIds"] == [TRACE]
    assert [entry["entryId"] for entry in found["entries"]] == [entry_id]
    assert [(d["group"], d["state"]) for d in found["deliveries"]] == [("probe", "acknowledged")]
    [record] = found["inbox"]
    assert (record["consumer"], record["outcome"], record["traceId"]) == ("probe", "handled", TRACE)
    [fact] = found["facts"]
    assert (fact["stream"], fact["traceId"], fact["data"]["value"]) == (FACTS, TRACE, 1)
    assert found["searched"][COMMANDS] == {"entries": 2, "all": True}
    by_entry = (await takaro("event", entry_id, "--json")).json
    assert by_entry["id"] == event_id
    text = (await takaro("event", event_id)).out
    for part in (TRACE, "acknowledged", "handled by probe", FACTS):
        assert part in text


async def test_an_event_on_its_way_shows_where_it_is(
    world: RedisWorld, probe: Probe, takaro: Terminal
) -> None:
    unread, pending = str(uuid4()), str(uuid4())
    await world.note("s", 1, id=pending)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    await world.redis.xreadgroup("probe", "somebody", {COMMANDS: ">"})
    await world.note("s", 2, id=unread)
    [delivery] = (await takaro("event", unread, "--json")).json["deliveries"]
    assert delivery["state"] == "unread"
    [delivery] = (await takaro("event", pending, "--json")).json["deliveries"]
    assert (delivery["state"], delivery["consumer"], delivery["timesDelivered"]) == ("pending", "somebody", 1)
    assert "pending, delivered 1 time," in (await takaro("event", pending)).out


async def test_a_dead_event_and_its_rejection_are_found(
    world: RedisWorld, probe: Probe, takaro: Terminal
) -> None:
    async with world.running(probe):
        entry: dict[Any, Any] = {"type": "unheard.of.v1", "data": "{}"}
        entry_id = str(await world.redis.xadd(COMMANDS, entry))
        await world.expect(dead=1)
        await eventually(lambda: world.facts("probe.command.rejected.v1"))
    await world.redis.xdel(COMMANDS, entry_id)
    found = (await takaro("event", entry_id, "--json")).json
    [letter] = found["deadLetters"]
    assert letter["reason"].startswith("unknown_type")
    assert [record["outcome"] for record in found["inbox"]] == ["rejected"]
    [fact] = found["facts"]
    assert fact["data"]["commandId"] == entry_id


async def test_messages_and_waiting_facts_are_effects_of_their_event(
    world: RedisWorld, takaro: Terminal
) -> None:
    event_id = uuid4()
    conversation = uuid4()
    await world.execute(
        "INSERT INTO conversations (id, agent_id, agent_version, user_id) VALUES ($1, 'a', '1', 'u')",
        conversation,
    )
    await world.execute(
        "INSERT INTO messages (id, conversation_id, role, content) VALUES ($1, $2, 'user', 'hi')",
        event_id,
        conversation,
    )
    fields: dict[Any, Any] = {"id": str(event_id), "type": "t", "data": "{}", "traceparent": TRACEPARENT}
    await world.redis.xadd("chat.commands", fields)
    await world.execute(
        "INSERT INTO outbox (stream, event_id, type, source, subject, sequence, traceparent, data) "
        "VALUES ('chat.events', $1, 'chat.message.appended.v1', 's', 's', 1, $2, '{}')",
        uuid4(),
        TRACEPARENT,
    )
    found = (await takaro("event", str(event_id).upper(), "--json")).json
    [message] = found["effects"]["messages"]
    assert UUID(message["id"]) == event_id
    assert UUID(message["conversationId"]) == conversation
    assert [row["type"] for row in found["outbox"]] == ["chat.message.appended.v1"]


async def test_what_nobody_knows_is_said_with_what_was_searched(redis: Redis, takaro: Terminal) -> None:
    for _ in range(5):
        await redis.xadd("chat.events", {"type": "t", "data": "{}"})
    result = await takaro("event", "nothing", "--depth", "2", expect=1)
    assert "nothing is known of nothing" in result.err
    assert "older entries of chat.events were not searched: --depth" in result.err


@pytest.fixture
async def collector() -> AsyncIterator[str]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "takaro_local.collector", env={"OTLP_PORT": str(port), "PATH": ""}
    )
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        async with httpx.AsyncClient(verify=NO_TLS) as client:
            try:
                return (await client.get(f"{url}/health")).is_success
            except httpx.TransportError:
                return False

    await eventually(ready)
    yield url
    process.terminate()
    await process.wait()


async def test_a_published_events_trace_is_drawn(redis: Redis, collector: str, takaro: Terminal) -> None:
    takaro = takaro.with_settings(TAKARO_TRACES_URL=collector, OTEL_EXPORTER_OTLP_ENDPOINT=collector)
    await redis.xadd("any.commands", {"type": "t", "data": "{}"})
    published = (await takaro("events", "publish", "any.commands", "a.b.v1", "{}", "--json")).json
    drawn = await takaro("trace", published["traceId"])
    assert "send any.commands takaro-cli" in drawn.out
    assert "a.b.v1" in drawn.out
    document = (await takaro("trace", published["traceId"], "--json")).json
    assert [span["name"] for span in document["spans"]] == ["send any.commands"]
    unknown = await takaro("trace", "f" * 32, expect=1)
    assert "has no trace" in unknown.err


async def test_errors_say_what_to_do(takaro: Terminal, empty_database: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    down = takaro.with_settings(
        EVENT_BUS_URL=f"redis://:secret@{nowhere}", TAKARO_TRACES_URL=f"http://{nowhere}"
    )
    for arguments in (["streams"], ["dead", "list"], ["events", "tail", "--no-follow"]):
        result = await down(*arguments, expect=1)
        assert nowhere in result.err
        assert "EVENT_BUS_URL" in result.err
        assert "secret" not in result.err
        assert "Traceback" not in result.err
    assert "TAKARO_TRACES_URL" in (await down("trace", TRACE, expect=1)).err
    assert "takaro event ID" in (await down("trace", "x", expect=2)).err
    kafka = takaro.with_settings(EVENT_BUS_URL="kafka://127.0.0.1:9092")
    assert "Redis Streams" in (await kafka("streams", expect=2)).err
    unmigrated = takaro.with_settings(DATABASE_URL=empty_database)
    assert "takaro migrate" in (await unmigrated("outbox", expect=1)).err

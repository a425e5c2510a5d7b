"""A session's event stream: everything, in order, to every tab, on every replica."""

from pathlib import Path

from cockpit.events.repository import KEPT
from common.postgres import Pool
from tests.integration.cockpit.conftest import (
    ENVIRONMENT,
    Cockpit,
    Converse,
    Streams,
    open_cockpit,
    open_tab,
)
from tests.support.services import Service, running
from tests.support.wait import eventually


async def test_a_tab_gets_the_past_and_then_what_happens(cockpit: Service, ann: Cockpit) -> None:
    await ann.start()
    async with open_tab(cockpit, "ann", ann.session_id) as tab:
        assert tab.received[0][0] == "connected"
        assert tab.of("connected")[0]["status"] == "running"
        await eventually(lambda: tab.names() == ["player-connected"] * 5)
        await ann.run("say hi")
        await eventually(lambda: len(tab.names()) == 7)
    executed, chat = tab.of("event")[-2:]
    assert set(executed) == set(chat) == {"eventName", "createdAt", "meta"}
    assert (executed["eventName"], chat["eventName"]) == ("command-executed", "chat-message")
    assert executed["meta"] == {"command": "say hi", "success": True, "result": "Said: hi"}
    assert chat["meta"] == {"channel": "global", "msg": "hi"}
    assert chat["createdAt"].endswith("Z")


async def test_two_tabs_each_get_everything(cockpit: Service, ann: Cockpit) -> None:
    await ann.start()
    async with (
        open_tab(cockpit, "ann", ann.session_id) as one,
        open_tab(cockpit, "ann", ann.session_id) as two,
    ):
        for number in range(10):
            await ann.run(f"say {number}")
        await eventually(lambda: len(one.names()) == len(two.names()) == 25)
    assert one.received == two.received
    said = [event["meta"]["msg"] for event in one.of("event") if event["eventName"] == "chat-message"]
    assert said == [str(number) for number in range(10)]
    ids = [int(id) for _, id, _ in one.received if id is not None]
    assert ids == sorted(set(ids))


async def test_the_last_50_events_come_first(cockpit: Service, ann: Cockpit) -> None:
    await ann.start()
    for number in range(40):
        await ann.run(f"say {number}")
    async with open_tab(cockpit, "ann", ann.session_id) as tab:
        await eventually(lambda: len(tab.names()) == 50)
        await ann.run("say last")
        await eventually(lambda: len(tab.names()) == 52)
    said = [event["meta"]["msg"] for event in tab.of("event") if event["eventName"] == "chat-message"]
    assert said == [*(str(number) for number in range(15, 40)), "last"]


async def test_a_tab_that_comes_back_gets_what_it_missed(cockpit: Service, ann: Cockpit) -> None:
    await ann.start()
    async with open_tab(cockpit, "ann", ann.session_id) as tab:
        await eventually(lambda: len(tab.names()) == 5)
    for number in range(60):
        await ann.run(f"say {number}")
    async with open_tab(cockpit, "ann", ann.session_id, tab.last_id()) as again:
        await eventually(lambda: len(again.names()) == 120)
    async with open_tab(cockpit, "ann", ann.session_id, "not an id of ours") as stranger:
        await eventually(lambda: len(stranger.names()) == 50)


async def test_a_tab_on_another_replica_gets_everything(
    cockpit: Service, ann: Cockpit, package_database: str, redis_url: str, tmp_path: Path
) -> None:
    async with running(
        "cockpit",
        database_url=package_database,
        redis_url=redis_url,
        folder=tmp_path,
        instance="cockpit-2",
        environment=ENVIRONMENT,
    ) as replica:
        await ann.start()
        async with open_tab(replica, "ann", ann.session_id) as tab:
            await ann.run("scenario")
            await eventually(lambda: len(tab.names()) > 10, timeout=4.5)
            async with replica.client("ann") as client:
                there = Cockpit(client, ann.conversation_id, ann.session_id)
                assert (await there.run("say from the other replica"))["success"]
            await eventually(lambda: tab.names()[-1] == "chat-message", timeout=4.5)


async def test_a_tab_sees_the_server_move_away(
    cockpit: Service, ann: Cockpit, converse: Converse, streams: Streams
) -> None:
    second = await open_cockpit(ann.client, await converse("ann"))
    await ann.start()
    async with (
        open_tab(cockpit, "ann", ann.session_id) as left,
        open_tab(cockpit, "ann", second.session_id) as right,
    ):
        await second.start()
        await eventually(lambda: left.of("status") and right.of("status"))
    away, here = left.of("status")[-1], right.of("status")[-1]
    assert (away["status"], away["reason"], away["movedTo"]) == ("stopped", "moved", second.session_id)
    assert (here["status"], here["reason"]) == ("running", "moved")

    async def told() -> bool:
        return len(await streams.facts("cockpit.server.status_changed.v1")) == 3

    await eventually(told)
    facts = await streams.facts("cockpit.server.status_changed.v1")
    assert [(fact["subject"], fact["data"]["status"], fact["data"]["reason"]) for fact in facts] == [
        (ann.session_id, "running", "started"),
        (ann.session_id, "stopped", "moved"),
        (second.session_id, "running", "moved"),
    ]


async def test_old_events_are_let_go(cockpit: Service, ann: Cockpit, pool: Pool) -> None:
    await ann.start()
    await pool.execute(
        "INSERT INTO cockpit_events (session_id, event_name) SELECT $1, 'chat-message' "
        "FROM generate_series(1, 700)",
        ann.session_id,
    )
    await ann.run("say hi")
    assert await pool.fetchval("SELECT count(*) FROM cockpit_events") == KEPT

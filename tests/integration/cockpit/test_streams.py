"""Commands and facts through the streams: one effect each, in order, and published in order."""

from collections import defaultdict
from typing import Any
from uuid import uuid4

from common.postgres import Pool
from tests.integration.cockpit.conftest import Cockpit, Converse, Streams, open_cockpit, open_tab
from tests.support.services import Service
from tests.support.wait import eventually


async def told(streams: Streams, count: int, type: str | None = None) -> list[dict[str, Any]]:
    """The facts, once there are ``count`` of them."""

    async def enough() -> list[dict[str, Any]]:
        facts = await streams.facts(type)
        assert len(facts) >= count
        return facts

    facts: list[dict[str, Any]] = await eventually(enough)
    assert len(facts) == count
    return facts


async def test_a_session_is_run_by_commands_alone(
    cockpit: Service, converse: Converse, streams: Streams
) -> None:
    conversation = str(await converse("ann"))
    ann = {"conversationId": conversation, "userId": "ann"}
    await streams.command("cockpit.server.start.v1", ann)
    await streams.command("cockpit.server.execute.v1", {**ann, "command": "say hi"})
    await streams.command("cockpit.player.select.v1", {**ann, "playerId": "4"})
    await streams.command("cockpit.server.stop.v1", ann)
    facts = await told(streams, 16)
    assert [fact["type"].removeprefix("cockpit.") for fact in facts] == [
        "server.status_changed.v1",
        *["game.event.v1"] * 5,
        "player.selected.v1",
        *["game.event.v1"] * 2,
        "player.selected.v1",
        *["game.event.v1"] * 5,
        "server.status_changed.v1",
    ]
    assert [int(fact["sequence"]) for fact in facts] == list(range(1, 17))
    assert {fact["data"]["conversationId"] for fact in facts} == {conversation}
    assert facts[0]["data"]["status"] == "running"
    assert facts[0]["data"]["playerCount"] == 5
    assert facts[8]["data"]["eventName"] == "chat-message"
    assert facts[8]["data"]["meta"]["msg"] == "hi"
    assert facts[15]["data"]["status"] == "stopped"
    async with cockpit.client("ann") as client:
        session = await open_cockpit(client, facts[0]["data"]["conversationId"])
        assert {fact["subject"] for fact in facts} == {session.session_id}
        players = await session.get("players")
        assert players["selectedPlayerId"] == facts[9]["data"]["playerId"]


async def test_a_command_sent_twice_has_one_effect(ann: Cockpit, streams: Streams) -> None:
    await ann.start()
    data = {"conversationId": str(ann.conversation_id), "userId": "ann", "command": "say once"}
    for id in (str(uuid4()), "no-uuid-1"):
        for _ in range(3):
            await streams.command("cockpit.server.execute.v1", data, id=id)
    await streams.command("cockpit.server.execute.v1", {**data, "command": "say last"})

    async def last() -> bool:
        facts = await streams.facts("cockpit.game.event.v1")
        return any(fact["data"]["meta"].get("msg") == "last" for fact in facts)

    await eventually(last)
    said = [fact["data"]["meta"].get("msg") for fact in await streams.facts("cockpit.game.event.v1")]
    assert said.count("once") == 2


async def test_what_can_not_be_done_is_rejected_with_a_reason(
    cockpit: Service, ann: Cockpit, converse: Converse, streams: Streams
) -> None:
    bens = str(await converse("ben"))
    mine = {"conversationId": str(ann.conversation_id), "userId": "ann"}
    start, execute = "cockpit.server.start.v1", "cockpit.server.execute.v1"
    sent = [
        (start, {"conversationId": bens, "userId": "ann"}, "forbidden"),
        (start, {"conversationId": str(uuid4()), "userId": "ann"}, "conversation_not_found"),
        ("cockpit.player.select.v1", {**mine, "playerId": "nobody"}, "player_not_found"),
        (execute, {**mine, "command": "version"}, "server_not_running"),
        (execute, {**mine, "command": ""}, None),
        (execute, {**mine, "command": "x" * 1001}, None),
        (execute, {**mine, "command": "a\0b"}, None),
        (start, {"userId": "ann"}, None),
        ("cockpit.server.explode.v1", mine, None),
    ]
    codes = {await streams.command(type, data): (type, code) for type, data, code in sent}
    rejected = await told(streams, len(sent), "cockpit.command.rejected.v1")
    assert {fact["data"]["commandId"] for fact in rejected} == set(codes)
    for fact in rejected:
        type, code = codes[fact["data"]["commandId"]]
        assert fact["data"]["commandType"] == type
        assert fact["data"]["reason"]
        assert code in (None, fact["data"]["code"])
    assert (await ann.status())["status"] == "stopped"


async def test_facts_of_each_session_are_numbered_without_a_gap(
    cockpit: Service, ann: Cockpit, converse: Converse, streams: Streams
) -> None:
    second = await open_cockpit(ann.client, await converse("ann"))
    for session in (ann, second, ann, second):
        await session.start()
        await session.run("scenario")
        await session.post("select-player", {"playerId": "2"})
        await session.post("select-player", {"playerId": None})
        await ann.post("select-player", {"playerId": "3"})
    await second.stop()

    async def stopped() -> bool:
        facts = await streams.facts("cockpit.server.status_changed.v1")
        return bool(facts) and facts[-1]["data"]["reason"] == "stopped"

    await eventually(stopped)
    numbers: dict[str, list[int]] = defaultdict(list)
    for fact in await streams.facts():
        numbers[fact["subject"]].append(int(fact["sequence"]))
    assert set(numbers) == {ann.session_id, second.session_id}
    for sequence in numbers.values():
        assert sequence == list(range(1, len(sequence) + 1))


async def test_a_deleted_conversation_stops_its_server(
    cockpit: Service, ann: Cockpit, converse: Converse, streams: Streams, pool: Pool
) -> None:
    other = await open_cockpit(ann.client, await converse("ann"))
    await ann.start()
    async with open_tab(cockpit, "ann", ann.session_id) as tab:
        await pool.execute("DELETE FROM conversations WHERE id = $1", ann.conversation_id)
        deleted = {"conversationId": str(ann.conversation_id), "userId": "ann"}
        for _ in range(2):
            await streams.send("chat.events", "chat.conversation.deleted.v1", deleted)
        await streams.send("chat.events", "chat.something.new.v9", {"any": "thing"})
        facts = await told(streams, 2, "cockpit.server.status_changed.v1")
        await eventually(lambda: tab.ended)
    last = facts[-1]
    assert last["subject"] == ann.session_id
    assert last["data"]["conversationId"] == str(ann.conversation_id)
    assert (last["data"]["status"], last["data"]["reason"]) == ("stopped", "conversation_deleted")
    assert int(last["sequence"]) == len([f for f in await streams.facts() if f["subject"] == ann.session_id])
    assert await pool.fetchval("SELECT status FROM cockpit_game_servers") == "stopped"
    assert (await other.start())["status"] == "running"


async def test_a_server_whose_conversation_node_deleted_is_stopped_too(
    ann: Cockpit, streams: Streams, pool: Pool
) -> None:
    """The Node application publishes nothing: the row is found by the periodic search."""
    await ann.start()
    await pool.execute("DELETE FROM conversations")
    facts = await told(streams, 2, "cockpit.server.status_changed.v1")
    assert facts[-1]["data"]["reason"] == "conversation_deleted"


async def test_a_conversation_made_again_keeps_its_server(ann: Cockpit, streams: Streams, pool: Pool) -> None:
    """A late fact of a deletion must not stop the server of the conversation that has taken the id since."""
    await pool.execute("DELETE FROM conversations")
    await pool.execute(
        "INSERT INTO conversations (id, agent_id, agent_version, user_id) VALUES ($1, 'a', '1', 'ann')",
        ann.conversation_id,
    )
    again = await open_cockpit(ann.client, ann.conversation_id)
    assert again.session_id != ann.session_id
    await again.start()
    deleted = {"conversationId": str(ann.conversation_id), "userId": "ann"}
    await streams.send("chat.events", "chat.conversation.deleted.v1", deleted)
    handled = "SELECT count(*) FROM inbox WHERE type = 'chat.conversation.deleted.v1'"
    await eventually(lambda: pool.fetchval(handled))
    assert (await again.status())["status"] == "running"

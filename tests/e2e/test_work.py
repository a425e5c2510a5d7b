"""One real piece of work through all three services, over their public interfaces."""

import json
from datetime import UTC, datetime
from uuid import UUID

import httpx
from redis.asyncio import Redis

from tests.e2e.conftest import BASE, USER, Request, System
from tests.e2e.follow import command, fact_after, facts_after, newest
from tests.support.wait import eventually

AGENT = {
    "name": "Host",
    "systemPrompt": "You welcome players.",
    "tools": ["say"],
    "knowledgeBases": [BASE],
    "model": "any",
}


async def test_an_agent_reads_the_handbook_welcomes_a_player_and_is_cleaned_up(
    system: System, bus: Redis
) -> None:
    async with (
        system["chat"].client(USER) as chat,
        system["knowledge"].client(USER) as knowledge,
        system["cockpit"].client(USER) as cockpit,
    ):
        agent = (await chat.post("/api/custom-agents", json=AGENT)).raise_for_status().json()["data"]["id"]
        using = (await knowledge.get(f"/api/knowledge-bases/{BASE}/agents")).json()["data"]
        assert f"custom:{agent}" in using or agent in using

        before = await newest(bus, "knowledge.events")
        job = (await knowledge.post(f"/api/knowledge-bases/{BASE}/sync")).json()["data"]
        assert job["status"] == "queued"
        await fact_after(
            bus,
            "knowledge.events",
            before,
            lambda f: f.type == "knowledge.sync.completed.v1" and f.data["syncId"] in job["jobId"],
        )
        question: dict[str, str | int] = {"q": "How is a player who joins greeted?", "limit": 1}
        [hit] = (await knowledge.get(f"/api/knowledge-bases/{BASE}/search", params=question)).json()["data"]
        assert hit["metadata"]["sourceFile"] == "welcome.md"

        told = await newest(bus, "chat.events")
        created = await chat.post("/api/conversations", json={"agentId": f"custom:{agent}"})
        conversation = created.raise_for_status().json()["data"]["id"]
        messages = f"/api/conversations/{conversation}/messages"
        (await chat.post(messages, json={"content": "Welcome who joins."})).raise_for_status()
        tools = [{"id": "1", "name": "search", "input": question, "result": {"success": True, "output": hit}}]
        said = {"conversationId": conversation, "role": "assistant", "content": "Done.", "toolCalls": tools}
        await command(bus, "chat.commands", "chat.message.append.v1", said)
        await eventually(lambda: _roles(chat, messages, ["user", "assistant"]))
        [_, answer] = (await chat.get(messages)).json()["data"]
        assert answer["toolExecutions"] == tools
        patch = {"conversationId": conversation, "patch": {"moduleId": "m-1"}}
        await command(bus, "chat.commands", "chat.conversation.state.patch.v1", patch)

        session = (await cockpit.get(f"/api/cockpit/sessions/{conversation}")).json()["data"]["id"]
        url = f"/api/cockpit/sessions/{session}"
        (await cockpit.post(f"{url}/mock-server/start")).raise_for_status()
        async with cockpit.stream("GET", f"{url}/events") as stream:
            greet = {"conversationId": conversation, "userId": USER, "command": "say Welcome, Ada!"}
            await command(bus, "cockpit.commands", "cockpit.server.execute.v1", greet)
            async for line in stream.aiter_lines():
                if line.startswith("data: ") and "chat-message" in line:
                    assert json.loads(line[6:])["meta"]["msg"] == "Welcome, Ada!"
                    break
        await eventually(lambda: _state(chat, conversation, {"moduleId": "m-1"}))

        deletion, stops = Request(), await newest(bus, "cockpit.events")
        await chat.delete(f"/api/conversations/{conversation}", headers=deletion.headers)
        stopped = await fact_after(
            bus,
            "cockpit.events",
            stops,
            lambda f: (
                f.data.get("conversationId") == conversation and "status" in f.data
            ),  # not what is played
        )
        assert (stopped.type, stopped.data["status"]) == ("cockpit.server.status_changed.v1", "stopped")
        assert stopped.trace_id == deletion.trace_id
        assert (await chat.get(messages)).status_code == 404
        assert (await cockpit.get(f"{url}/mock-server/status")).status_code == 404

        facts = await facts_after(bus, "chat.events", told)
        mine = [fact for fact in facts if fact.attributes["subject"] == conversation]
        assert [fact.type.removeprefix("chat.").removesuffix(".v1") for fact in mine] == [
            "conversation.created",
            "message.appended",
            "message.appended",
            "conversation.state_changed",
            "conversation.deleted",
        ]
        assert [fact.attributes["sequence"] for fact in mine] == ["1", "2", "3", "4", "5"]


async def test_a_follower_of_chat_events_gets_every_attribute_of_a_cloud_event(
    system: System, bus: Redis
) -> None:
    request, before = Request(), await newest(bus, "chat.events")
    async with system["chat"].client(USER) as chat:
        created = await chat.post(
            "/api/conversations", json={"agentId": "module-writer"}, headers=request.headers
        )
    conversation = created.json()["data"]["id"]
    fact = await fact_after(bus, "chat.events", before, lambda f: f.data["conversationId"] == conversation)
    assert set(fact.attributes) == {
        "id", "source", "type", "subject", "time", "sequence", "traceparent", "data"
    }  # fmt: skip
    assert UUID(fact.attributes["id"])
    assert fact.attributes["source"] == "/takaro/chat"
    assert fact.attributes["subject"] == conversation
    assert fact.attributes["sequence"] == "1"
    told = datetime.fromisoformat(fact.attributes["time"].replace("Z", "+00:00"))
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert fact.trace_id == request.trace_id


async def test_a_command_written_by_hand_without_an_id_is_carried_out_once(
    system: System, bus: Redis
) -> None:
    async with system["chat"].client(USER) as chat:
        created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = created.json()["data"]["id"]
        said = {"conversationId": conversation, "role": "user", "content": "by hand"}
        for _ in range(2):  # without an id each entry is a separate command
            await command(bus, "chat.commands", "chat.message.append.v1", said)
        url = f"/api/conversations/{conversation}/messages"
        await eventually(lambda: _roles(chat, url, ["user", "user"]))


async def _roles(chat: httpx.AsyncClient, url: str, wanted: list[str]) -> bool:
    return [message["role"] for message in (await chat.get(url)).json()["data"]] == wanted


async def _state(chat: httpx.AsyncClient, conversation: str, wanted: dict[str, str]) -> bool:
    state = (await chat.get(f"/api/conversations/{conversation}/state")).json()["data"]["state"]
    return bool(state == wanted)

"""A Node program with ioredis publishes chat's commands and follows its facts."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from tests.support.node import Node
from tests.support.services import running

pytestmark = pytest.mark.timeout(120)

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_node_publishes_commands_and_follows_the_facts(
    database: str, redis: Redis, redis_url: str, node: Node, tmp_path: Path
) -> None:
    async with (
        running("chat", database_url=database, redis_url=redis_url, folder=tmp_path) as chat,
        chat.client("node-user") as client,
    ):
        created = await client.post("/api/conversations", json={"agentId": "module-writer"})
        id = created.json()["data"]["id"]
        tools = [{"id": "t1", "name": "searchDocs", "result": {"success": True, "output": "ünï ✓"}}]
        message_id = str(uuid4())
        append = {"conversationId": id, "role": "user", "content": "héllo 👋"}
        answer = {
            "conversationId": id,
            "role": "assistant",
            "content": "hi",
            "toolCalls": tools,
            "tokenCount": 12,
            "latencyMs": 30,
        }
        outcome = await node.run(
            "chat/publish.mjs",
            {
                "redis": redis_url,
                "events": [
                    # only what the contract requires
                    {"type": "chat.message.append.v1", "data": json.dumps(append)},
                    {
                        "id": message_id,
                        "source": "node-app",
                        "type": "chat.message.append.v1",
                        "subject": id,
                        "time": "2026-11-22T12:00:00Z",
                        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
                        "data": json.dumps(answer),
                    },
                ],
                "subject": id,
                "count": 3,
                "wait": 20_000,
            },
        )
        messages = (await client.get(f"/api/conversations/{id}/messages")).json()["data"]
    assert [message["content"] for message in messages] == ["héllo 👋", "hi"]
    assert messages[1]["id"] == message_id
    assert messages[1]["toolExecutions"] == tools
    facts = outcome["facts"]
    assert [(fact["type"], fact["sequence"]) for fact in facts] == [
        ("chat.conversation.created.v1", "1"),
        ("chat.message.appended.v1", "2"),
        ("chat.message.appended.v1", "3"),
    ]
    assert all(fact["source"] == "/takaro/chat" and UUID(fact["id"]) for fact in facts)
    told = json.loads(facts[2]["data"])
    assert (told["messageId"], told["content"], told["toolCalls"]) == (message_id, "hi", tools)
    assert facts[2]["traceparent"].split("-")[1] == TRACE

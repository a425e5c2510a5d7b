"""The services themselves, with nothing changed but EVENT_BUS_URL."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

from takaro_local.server import Server
from tests.support.plain_http import NO_TLS
from tests.support.services import Service
from tests.support.wait import eventually


@pytest.mark.timeout(180)
async def test_chat_and_cockpit_speak_through_kafka(
    database: str, redis_url: str, redis: Redis, kafka: Server, tmp_path: Path
) -> None:
    environment = {"EVENT_BUS_URL": kafka.url}
    settings: dict[str, Any] = {"database_url": database, "redis_url": redis_url, "environment": environment}
    chat = Service("chat", folder=tmp_path / "chat", **settings)
    cockpit = Service("cockpit", folder=tmp_path / "cockpit", **settings)
    servers = kafka.url.removeprefix("kafka://")
    try:
        await chat.start(timeout=60)
        await cockpit.start(timeout=60)
        conversation = str(uuid4())
        commands: list[tuple[str, dict[str, Any]]] = [
            ("chat.conversation.create.v1", {"id": conversation, "agentId": "module-writer", "userId": "u"}),
            *(("chat.message.append.v1", {"role": "user", "content": f"{n}"}) for n in range(20)),
            ("chat.message.append.v1", {"role": "nobody", "content": "x"}),
        ]
        async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
            for kind, data in commands:
                value = json.dumps({"conversationId": conversation, **data}).encode()
                headers = [("ce_type", kind.encode()), ("ce_id", str(uuid4()).encode())]
                await producer.send_and_wait("chat.commands", value, conversation.encode(), headers=headers)
        facts: list[Any] = []
        async with AIOKafkaConsumer(
            "chat.events",
            bootstrap_servers=servers,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        ) as reader:

            async def all_facts() -> bool:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    facts.extend(dict(record.headers) | {"key": record.key} for record in records)
                return len(facts) == 22

            await eventually(all_facts)
        told = [fact for fact in facts if fact["key"] == conversation.encode()]
        assert [int(fact["ce_sequence"]) for fact in told] == list(range(1, 22))
        assert [f["ce_type"] for f in facts if f not in told] == [b"chat.command.rejected.v1"]
        connection = await asyncpg.connect(database)
        rows = await connection.fetch("SELECT content FROM messages ORDER BY created_at, id")
        await connection.close()
        assert [row["content"] for row in rows] == [str(n) for n in range(20)]
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
            ready = (await client.get(f"{cockpit.url}/ready")).json()["checks"]
            metrics = (await client.get(f"{chat.url}/metrics")).text
        assert ready["consumer chat.events"] == "active"
        assert ready["consumer cockpit.commands"] == "active"
        assert 'takaro_stream_group_lag{group="chat",stream="chat.commands"}' in metrics
    finally:
        assert await chat.stop() == 0
        assert await cockpit.stop() == 0

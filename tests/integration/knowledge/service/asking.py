"""Requests to the service, and what it publishes."""

from typing import Any

import httpx
from redis.asyncio import Redis

from tests.support.wait import eventually


async def synced(client: httpx.AsyncClient, base_id: str = "guide") -> dict[str, Any]:
    """The base, once its first sync is complete."""

    async def view() -> dict[str, Any] | None:
        base: dict[str, Any] = (await client.get(f"/api/knowledge-bases/{base_id}")).json()["data"]
        return base if base["lastCommitSha"] else None

    base: dict[str, Any] | None = await eventually(view, timeout=20)
    assert base is not None
    return base


async def events(redis: Redis) -> list[dict[str, str]]:
    """What was published on ``knowledge.events``."""
    entries: Any = await redis.xrange("knowledge.events")
    return [fields for _, fields in entries]

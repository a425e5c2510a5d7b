"""Requests of the registry's cases."""

from typing import Any

import httpx

from tests.support.wait import eventually

BASES = "/api/knowledge-bases"
SECRET = "a secret of the webhook"


def wanted(**more: Any) -> dict[str, Any]:
    source = "https://github.com/acme/handbook/tree/main/docs"
    return {"id": "handbook", "name": "Handbook", "source": source, **more}


async def newest_sync(client: httpx.AsyncClient, base_id: str = "handbook", *, count: int = 1) -> Any:
    """The newest of ``count`` syncs, once all of them have ended."""

    async def ended() -> Any:
        syncs = (await client.get(f"{BASES}/{base_id}/syncs")).json()["data"]
        assert len(syncs) == count, syncs
        assert all(sync["state"] in ("completed", "failed") for sync in syncs), syncs
        return syncs[0]

    return await eventually(ended, timeout=90)

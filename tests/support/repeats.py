"""Whether a POST with an ``Idempotency-Key`` commits its effect and its kept answer together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.support.wait import eventually

HOLD_ANSWERS = "LOCK TABLE idempotency_keys IN SHARE MODE"
"""Others look, and wait before they write."""
END_KEEPERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'INSERT INTO idempotency_keys'
"""


async def expect_one_effect(
    dsn: str, client: httpx.AsyncClient, path: str, body: Any, effects: Callable[[], Awaitable[int]]
) -> Any:
    """Interrupt the request when all but the keeping of its answer is done, then send it twice again.

    ``effects`` counts what is committed. Returns the answer's ``data``.
    """
    headers = {"Idempotency-Key": str(uuid4())}

    async def send() -> httpx.Response:
        return await client.post(path, json=body, headers=headers, timeout=60)

    before = await effects()
    holding, looking = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        async with holding.transaction():
            await holding.execute(HOLD_ANSWERS)
            interrupted = asyncio.create_task(send())

            async def ended() -> bool:
                return interrupted.done() or bool(await looking.fetch(END_KEEPERS))

            await eventually(ended)
            assert await effects() == before, f"{path}: its effect committed without its answer"
            answer = await interrupted
            assert answer.status_code == 503, answer.text
    finally:
        await asyncio.gather(holding.close(), looking.close())
    assert await effects() == before, path
    first = await send()
    assert first.is_success, first.text
    after = await effects()
    assert after > before, path
    again = await send()
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await effects() == after, path
    return first.json()["data"]

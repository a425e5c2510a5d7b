"""A stop that is requested while somebody listens."""

import time
from pathlib import Path

from tests.e2e.conftest import USER, System
from tests.support.services import running


async def test_an_open_event_stream_does_not_hold_up_a_stop(system: System, tmp_path: Path) -> None:
    async with system["chat"].client(USER) as chat:
        created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
    conversation = created.json()["data"]["id"]
    second = running(
        "cockpit",
        database_url=system.database,
        redis_url=system.redis_url,
        folder=tmp_path,
        instance="cockpit-2",
    )
    async with second as replica, replica.client(USER) as client:
        session = (await client.get(f"/api/cockpit/sessions/{conversation}")).json()["data"]["id"]
        async with client.stream("GET", f"/api/cockpit/sessions/{session}/events") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "event: connected"
            began = time.monotonic()
            code = await replica.stop()
            assert code == 0
            assert time.monotonic() - began < 9  # the grace period is 10 s
            rest = [line async for line in lines]  # it ends, and doesn't break
            assert "event: error" not in rest

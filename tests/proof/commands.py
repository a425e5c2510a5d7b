"""How every load sends requests: on a stream until it is answered, over HTTP once."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.proof.ledger import Command

DUPLICATED = 0.1
"""The share of a stream's commands that are published once more."""


async def publish_command(
    redis: Redis, stream: str, type_: str, command: Command, data: Mapping[str, Any]
) -> None:
    """Publish until it is answered: the event id makes that safe."""
    command.ask()
    await add_entry(redis, stream, type_, str(command.event_id), str(command.conversation), data)
    if command.outcome == "open":
        command.close("accepted")


async def add_entry(
    redis: Redis, stream: str, type_: str, event_id: str, subject: str, data: Mapping[str, Any]
) -> None:
    """XADD as any language would, again and again under the same event id until Redis answers."""
    fields: dict[Any, Any] = {
        "id": event_id,
        "type": type_,
        "source": "prove",
        "subject": subject,
        "data": json.dumps(data),
    }
    while True:
        try:
            await redis.xadd(stream, fields)
        except (RedisError, OSError):
            await asyncio.sleep(0.1)
        else:
            return


async def post_command(client: httpx.AsyncClient, url: str, command: Command, body: object) -> None:
    """Ask by HTTP, once; raises httpx.ConnectError or ConnectTimeout when it could not even be asked."""
    command.ask()
    try:
        answer = await client.post(url, json=body)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise
    except httpx.HTTPError as error:
        command.close("unknown", repr(error))
        return
    if answer.status_code == 200:
        command.close("accepted")
    elif answer.status_code < 500:
        command.close("refused", f"{answer.status_code} {answer.text}")
    else:
        command.close("unknown", f"{answer.status_code} {answer.text}")


async def running_together(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all; one that fails is the harness's own failure, and ends the others."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)

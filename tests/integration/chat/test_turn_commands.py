"""Commands of a turn's runtime, and of others meanwhile."""

from uuid import uuid4

import httpx
from redis.asyncio import Redis

from common import codec
from tests.integration.chat.conftest import entries
from tests.integration.chat.turn_calls import contents, runtime, start_conversation, take
from tests.support.services import Service
from tests.support.wait import eventually

APPEND = "chat.message.append.v1"
PATCH = "chat.conversation.state.patch.v1"


async def send(bus: Redis, kind: str, **data: object) -> str:
    """Publish a command; its id."""
    id = str(uuid4())
    await bus.xadd("chat.commands", {"id": id, "source": "t", "type": kind, "data": codec.dumps_str(data)})
    return id


async def rejections(bus: Redis, *ids: str) -> dict[str, str]:
    """The codes with which these commands were rejected, once all of them were."""

    async def look() -> dict[str, str]:
        told = [codec.loads(f["data"]) for f in await entries(bus, "chat.events") if "rejected" in f["type"]]
        found = {each["commandId"]: each["code"] for each in told if each["commandId"] in ids}
        assert len(found) == len(ids)
        return found

    return await eventually(look)


async def test_only_commands_with_the_token_write_while_a_turn_runs(
    chat: Service, alice: httpx.AsyncClient, bus: Redis
) -> None:
    conversation = await start_conversation(alice)
    id = conversation.split("/")[-1]
    async with runtime(chat) as worker:
        taken = await take(worker, conversation)
        token = taken["token"]
        kept = [
            await send(bus, APPEND, conversationId=id, role="assistant", content="mine", turnToken=token),
            await send(bus, PATCH, conversationId=id, patch={"mine": 1}, turnToken=token),
            await send(bus, APPEND, conversationId=id, role="user", content="hi"),
        ]
        refused = [
            await send(bus, APPEND, conversationId=id, role="assistant", content="no"),
            await send(bus, APPEND, conversationId=id, role="user", content="no", onBusy="reject"),
            await send(bus, APPEND, conversationId=id, role="tool", content="no", turnToken="x"),
            await send(bus, PATCH, conversationId=id, patch={"no": 1}),
        ]
        assert set((await rejections(bus, *refused)).values()) == {"turn_running"}
        await send(bus, APPEND, conversationId=id, role="user", content="stop", onBusy="interrupt")
        late = await send(bus, APPEND, conversationId=id, role="tool", content="no", turnToken=token)
        assert await rejections(bus, late) == {late: "turn_over"}
        stored = await contents(alice, conversation)
    assert stored == ["mine", "hi", "stop"]
    assert (await alice.get(f"{conversation}/state")).json()["data"]["state"] == {"mine": 1}
    assert not any(id in str(entry) for entry in await entries(bus, "chat.commands.dead") for id in kept)
    assert token not in str(await entries(bus, "chat.events"))

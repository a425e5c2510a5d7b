"""Chat is killed while a turn runs: the runtime goes on with the same token, and nobody else gets in."""

from pathlib import Path
from uuid import uuid4

from tests.integration.chat.conftest import post
from tests.integration.chat.turn_calls import contents, runtime, say, start_conversation, take, with_token
from tests.support.services import Service


async def test_a_turn_outlives_the_chat_that_gave_it(
    service_database: str, redis_url: str, tmp_path: Path
) -> None:
    chat = Service("chat", database_url=service_database, redis_url=f"{redis_url}/5", folder=tmp_path)
    await chat.start()
    try:
        async with chat.client(f"alice-{uuid4()}") as alice, runtime(chat) as worker:
            conversation = await start_conversation(alice)
            await post(alice, f"{conversation}/messages", content="hi")
            taken = await take(worker, conversation, ttlSeconds=600)
            (await say(worker, conversation, "before", with_token(taken))).raise_for_status()
            await chat.kill()
            await chat.start()
            assert (await worker.post(f"{conversation}/turns", json={})).status_code == 409
            path = f"{conversation}/turns/{taken['turnId']}/finish"
            last = {"messages": [{"role": "assistant", "content": "after"}]}
            for _ in range(2):
                (await worker.post(path, json=last, headers=with_token(taken))).raise_for_status()
            assert await contents(alice, conversation) == ["hi", "before", "after"]
    finally:
        await chat.stop()

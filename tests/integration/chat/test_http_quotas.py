"""Quotas over HTTP: set by operators, read by their users, and told of with each message."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common import codec
from tests.integration.chat.conftest import entries, post, user_of
from tests.support.services import Service
from tests.support.wait import eventually

QUOTAS = "/api/quotas"
A_DAY = f"{QUOTAS}/messages/day"


@pytest.fixture
async def operator(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with chat.client(f"operator-{uuid4()}") as client:
        client.headers["X-Scope"] = "operator"
        yield client


@pytest.fixture
async def messages(alice: httpx.AsyncClient) -> str:
    conversation = await post(alice, "/api/conversations", agentId="module-writer")
    return f"/api/conversations/{conversation['id']}/messages"


async def limit(
    operator: httpx.AsyncClient, client: httpx.AsyncClient, path: str = A_DAY, **limits: Any
) -> None:
    answer = await operator.put(path, params={"userId": user_of(client)}, json=limits)
    assert answer.status_code == 200, answer.text


async def say(client: httpx.AsyncClient, messages: str, **headers: str) -> httpx.Response:
    return await client.post(messages, json={"content": "hi"}, headers=headers)


async def test_a_user_is_warned_and_then_refused_and_a_deletion_gives_nothing_back(
    operator: httpx.AsyncClient, alice: httpx.AsyncClient, mallory: httpx.AsyncClient, messages: str
) -> None:
    assert (await say(alice, messages)).status_code == 200
    await limit(operator, alice, soft=2, hard=3)
    warned = [(await say(alice, messages)).headers.get("X-Quota-Warning") for _ in range(2)]
    assert [text is not None and text.partition(" are used")[0] for text in warned] == [
        "2 of 3 messages of this day",
        "3 of 3 messages of this day",
    ]
    key = {"Idempotency-Key": str(uuid4())}
    await alice.delete(messages.rpartition("/")[0])
    conversation = await post(alice, "/api/conversations", agentId="module-writer")
    messages = f"/api/conversations/{conversation['id']}/messages"
    for headers in ({}, key, key):
        refused = await say(alice, messages, **headers)
        assert refused.status_code == 429
        told = refused.json()
        until = told["quota"].pop("resetsAt")
        assert told["quota"] == {"measure": "messages", "period": "day", "limit": 3, "used": 3}
        assert until in told["error"]
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    [mine] = (await alice.get(QUOTAS)).json()["data"]
    assert mine.items() >= {"soft": 2, "hard": 3, "used": 3, "own": True, "resetsAt": until}.items()
    assert (await mallory.get(QUOTAS)).json()["data"] == []
    await limit(operator, alice, hard=4)
    sent = [await say(alice, messages, **key) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [200, 200]
    assert sent[0].json() == sent[1].json()
    assert (await say(alice, messages)).status_code == 429
    assert (await operator.delete(A_DAY, params={"userId": user_of(alice)})).status_code == 200
    assert (await say(alice, messages)).status_code == 200
    assert (await operator.delete(A_DAY, params={"userId": user_of(alice)})).status_code == 404


async def test_what_is_stored_already_is_answered_when_the_quota_is_used_up(
    operator: httpx.AsyncClient, alice: httpx.AsyncClient, messages: str
) -> None:
    """A client that lost the answer to its last message sends that again, and so uses nothing."""
    await limit(operator, alice, hard=3)
    sent = [{"id": str(uuid4()), "content": f"{n}"} for n in range(3)]
    keyed = {"Idempotency-Key": str(uuid4())}
    stored = [(await alice.post(messages, json=body)).json()["data"] for body in sent[:2]]
    stored.append((await alice.post(messages, json=sent[2], headers=keyed)).json()["data"])
    bulk = [{**body, "role": "user"} for body in sent]
    another = {"id": str(uuid4()), "content": "4", "role": "user"}
    for hard in (3, 1):  # set lower later
        await limit(operator, alice, hard=hard)
        for headers in ({}, keyed, {"Idempotency-Key": str(uuid4())}):
            again = await alice.post(messages, json=sent[2], headers=headers)
            assert (again.status_code, again.json().get("data")) == (200, stored[2]), again.text
        again = await alice.post(f"{messages}/bulk", json={"messages": bulk})
        assert (again.status_code, again.json().get("data")) == (200, stored), again.text
        refused = await alice.post(f"{messages}/bulk", json={"messages": [*bulk, another]})
        assert refused.status_code == 429
        changed = await alice.post(messages, json={**sent[2], "content": "else"})
        assert (changed.status_code, changed.headers["X-Error-Code"]) == (409, "id_reused")
    await limit(operator, alice, hard=4)
    fits = await alice.post(f"{messages}/bulk", json={"messages": [*bulk, another, another]})
    assert fits.status_code == 200, fits.text
    assert len((await alice.get(messages)).json()["data"]) == 4
    assert (await alice.get(QUOTAS)).json()["data"][0]["used"] == 4


async def test_a_message_over_the_quota_is_rejected_on_the_stream(
    operator: httpx.AsyncClient, alice: httpx.AsyncClient, messages: str, bus: Redis
) -> None:
    await limit(operator, alice, f"{QUOTAS}/tokens/month", hard=10)
    ids = [str(uuid4()) for _ in range(3)]
    for command in ids:
        message = {
            "conversationId": messages.split("/")[3],
            "role": "assistant",
            "content": "x",
            "tokenCount": 6,
        }
        data = codec.dumps_str(message)
        await bus.xadd("chat.commands", {"id": command, "type": "chat.message.append.v1", "data": data})

    async def rejected() -> dict[str, str]:
        found = [fact for fact in await entries(bus, "chat.events") if ids[2] in fact["data"]]
        assert found
        return found[0]

    fact = await eventually(rejected)
    assert fact["type"] == "chat.command.rejected.v1"
    assert '"quota_exceeded"' in fact["data"]
    assert "12 of 10 tokens of this month are used" in fact["data"]
    refusal = await say(alice, messages)
    assert codec.loads(fact["data"])["details"] == {"quota": refusal.json()["quota"]}, "as HTTP answers"
    stored = (await alice.get(messages)).json()["data"]
    assert [message["id"] for message in stored] == ids[:2]
    [letter] = [letter for letter in await entries(bus, "chat.commands.dead") if letter["id"] == ids[2]]
    assert letter["dead-kind"] == "invalid"
    assert "12 of 10 tokens of this month are used; it resets at" in letter["dead-reason"]
    assert (refusal.status_code, int(refusal.headers["Retry-After"]) > 0) == (429, True)


async def test_a_limit_for_everybody(
    operator: httpx.AsyncClient, alice: httpx.AsyncClient, messages: str
) -> None:
    everybody = {"everybody": "true"}
    assert (await operator.put(A_DAY, params=everybody, json={"hard": 0})).status_code == 200
    try:
        assert (await say(alice, messages)).status_code == 429
        listed = (await operator.get(QUOTAS, params=everybody)).json()["data"]
        assert listed == [{"measure": "messages", "period": "day", "soft": None, "hard": 0}]
        await limit(operator, alice, hard=1)
        assert (await say(alice, messages)).status_code == 200
    finally:
        assert (await operator.delete(A_DAY, params=everybody)).status_code == 200


async def test_only_operators_set_quotas_and_see_those_of_others(
    alice: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    other = {"userId": user_of(operator)}
    everybody = {"everybody": "true"}
    for params in (other, everybody, {"userId": user_of(alice)}):
        assert (await alice.put(A_DAY, params=params, json={"hard": 9})).status_code == 403
        assert (await alice.delete(A_DAY, params=params)).status_code == 403
    assert (await alice.get(QUOTAS, params=other)).status_code == 403
    assert (await alice.get(QUOTAS, params=everybody)).status_code == 403
    assert (await alice.get(QUOTAS, params={"userId": user_of(alice)})).status_code == 200
    assert (await operator.get(QUOTAS, params={"userId": user_of(alice)})).json() == {"data": []}


@pytest.mark.parametrize(
    ("path", "params", "body"),
    [
        (f"{QUOTAS}/words/day", {"userId": "u"}, {"hard": 1}),
        (f"{QUOTAS}/tokens/year", {"userId": "u"}, {"hard": 1}),
        (A_DAY, {}, {"hard": 1}),
        (A_DAY, {"userId": "u", "everybody": "true"}, {"hard": 1}),
        (A_DAY, {"userId": ""}, {"hard": 1}),
        (A_DAY, {"userId": "x" * 256}, {"hard": 1}),
        (A_DAY, {"userId": "a\x00"}, {"hard": 1}),
        (A_DAY, {"userId": "u"}, {}),
        (A_DAY, {"userId": "u"}, {"soft": None, "hard": None}),
        (A_DAY, {"userId": "u"}, {"hard": -1}),
        (A_DAY, {"userId": "u"}, {"hard": 2**53}),
        (A_DAY, {"userId": "u"}, {"hard": "1"}),
        (A_DAY, {"userId": "u"}, {"hard": 1.5}),
        (A_DAY, {"userId": "u"}, {"hard": True}),
        (A_DAY, {"userId": "u"}, {"soft": 2, "hard": 1}),
        (A_DAY, {"userId": "u"}, []),
    ],
)
async def test_a_quota_that_makes_no_sense_is_refused(
    operator: httpx.AsyncClient, path: str, params: dict[str, str], body: Any
) -> None:
    answer = await operator.put(path, params=params, json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "Validation failed"), answer.text

"""Quotas: the count is exact, over HTTP and on the stream, and nothing is asked about who has none."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from chat.messages.records import Message, NewMessage
from chat.messages.use_cases import append_messages, append_user_message
from chat.quotas import use_cases
from chat.quotas.limited import LimitedUsers
from chat.quotas.records import EVERYBODY, Kind, Limits, Wanted
from chat.settings import ChatSettings
from common.errors import QuotaExceeded
from common.notifications import Notifications
from common.postgres import Pool, create_pool, transaction
from tests.integration.chat.conftest import NewConversation, node_message
from tests.support import without
from tests.support.wait import eventually

COUNTED = ("takaro_chat_quota_warned_messages_total", "takaro_chat_quota_refused_messages_total")
A_DAY = Kind("messages", "day")
STORED = "SELECT count(*) FROM messages"
# Who waits for the count of a user.
WAITING = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def settings(database: str) -> ChatSettings:
    return ChatSettings(auth_mode="dev", database_url=database)


@pytest.fixture
async def service_like(settings: ChatSettings) -> AsyncIterator[Pool]:
    """A pool as the service has it: use cases can join its transactions."""
    async with await create_pool(settings) as opened:
        yield opened


async def set_quota(
    pool: Pool, hard: int | None, kind: Kind = A_DAY, user: str = "alice", soft: int | None = None
) -> None:
    await use_cases.set_quota(pool, user, kind, Limits(soft, hard), "operator")


async def send(
    pool: Pool, conversation_id: UUID, go: asyncio.Barrier | None = None, user: str = "alice"
) -> tuple[Message, str | None]:
    """As the route does, by a process that doesn't know yet who has a quota."""

    async def append() -> Message:
        if go is not None:
            await go.wait()
        return await append_user_message(pool, user, conversation_id, "hi")

    return await use_cases.within(LimitedUsers(), pool, user, append)


async def ask(pool: Pool, *wanted: tuple[UUID, int], ids: list[UUID] | None = None) -> list[bool]:
    """Which messages (conversation, tokens) of a batch from the stream would be stored."""
    async with transaction(pool) as connection:
        messages = [Wanted(i, *w) for i, w in zip(ids or [uuid4() for _ in wanted], wanted, strict=True)]
        refused = await use_cases.refuse(LimitedUsers(), connection, messages)
    return [error is None for error in refused]


@pytest.mark.parametrize("locked", [True, False], ids=["with", "without"])
async def test_two_at_once_dont_share_what_is_left(
    service_like: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    if not locked:
        without.lock_of_counts(monkeypatch)
    first, second = await conversation(), await conversation()
    await set_quota(service_like, 1)
    # Of this test and those who have counted: with the lock the second one waits for the first.
    go = asyncio.Barrier(2 if locked else 3)
    sending = [asyncio.create_task(send(service_like, each, go)) for each in (first, second)]
    if locked:

        async def one_waits() -> bool:
            return bool(await service_like.fetch(WAITING))

        await eventually(one_waits)
    await go.wait()
    outcomes = await asyncio.gather(*sending, return_exceptions=True)
    assert await service_like.fetchval(STORED) == (1 if locked else 2)
    assert sum(isinstance(outcome, QuotaExceeded) for outcome in outcomes) == (1 if locked else 0)


async def test_many_at_once_store_exactly_what_is_allowed(
    service_like: Pool, conversation: NewConversation
) -> None:
    conversations = [await conversation() for _ in range(3)]
    await set_quota(service_like, 7, soft=5)
    outcomes = await asyncio.gather(
        *(send(service_like, conversations[n % 3]) for n in range(20)), return_exceptions=True
    )
    sent = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(sent) == await service_like.fetchval(STORED) == 7
    assert all(isinstance(outcome, QuotaExceeded) for outcome in outcomes if outcome not in sent)
    assert sum(warning is not None for _, warning in sent) == 3


async def test_a_batch_of_the_stream_is_counted_in_its_order(
    pool: Pool, conversation: NewConversation
) -> None:
    alices, others, bobs = await conversation(), await conversation(), await conversation("bob")
    await set_quota(pool, 3)
    stored = (await node_message(pool, alices, "hi"))["id"]
    batch = [(alices, 1), (bobs, 1), (others, 1), (alices, 1), (uuid4(), 1), (bobs, 1)]
    assert await ask(pool, *batch) == [True, True, True, False, True, True]
    # Delivered again: what is stored is neither counted twice nor refused now.
    ids = [stored, uuid4(), uuid4(), uuid4()]
    assert await ask(pool, *[(alices, 1)] * 4, ids=ids) == [True, True, True, False]
    await set_quota(pool, 0)
    assert await ask(pool, *[(alices, 1)] * 2, ids=ids[:2]) == [True, False]


async def test_the_message_that_uses_the_last_tokens_is_stored(
    pool: Pool, conversation: NewConversation
) -> None:
    """It was answered already. What comes after it is refused."""
    conversation_id = await conversation()
    await node_message(pool, conversation_id, "of 12 tokens")
    await set_quota(pool, 20, Kind("tokens", "month"))
    assert await ask(pool, (conversation_id, 7), (conversation_id, 500), (conversation_id, 0)) == [
        True,
        True,
        False,
    ]


async def test_each_quota_counts_its_own_days_and_comes_before_everybodys(
    service_like: Pool, conversation: NewConversation
) -> None:
    today = datetime.now(UTC).date()
    this_month = [
        today - timedelta(days=d) for d in range(31) if (today - timedelta(days=d)).month == today.month
    ]
    use = "INSERT INTO chat_usage SELECT 'alice', day, 'a', '', 1, 10 FROM unnest($1::date[]) AS day"
    await service_like.execute(use, [today - timedelta(days=d) for d in range(40)])
    for kind in (A_DAY, Kind("messages", "month"), Kind("tokens", "day"), Kind("tokens", "month")):
        await set_quota(service_like, None, kind, EVERYBODY, soft=7)
    await set_quota(service_like, 1_000, Kind("tokens", "month"))

    async def found() -> list[tuple[Any, ...]]:
        return [
            (quota.kind.measure, quota.kind.period, quota.limits.hard, quota.own, quota.used)
            for quota in await use_cases.list_quotas(service_like, "alice")
        ]

    days = len(this_month)
    expected = [
        ("messages", "day", None, False, 1),
        ("messages", "month", None, False, days),
        ("tokens", "day", None, False, 10),
        ("tokens", "month", 1_000, True, 10 * days),
    ]
    assert await found() == expected or datetime.now(UTC).date() > today
    await use_cases.remove_quota(service_like, "alice", Kind("tokens", "month"))
    assert (await found())[3][2:4] == (None, False)
    [quota, *_] = await use_cases.list_quotas(service_like, "bob")
    assert (quota.used, quota.resets_at - timedelta(days=1) <= quota.now < quota.resets_at) == (0, True)
    assert await use_cases.list_quotas(service_like, EVERYBODY) != []
    # A hard limit for everybody holds for a user who is named nowhere.
    await set_quota(service_like, 0, A_DAY, EVERYBODY)
    with pytest.raises(QuotaExceeded):
        await send(service_like, await conversation("bob"), user="bob")


async def test_who_has_no_quota_costs_nothing_and_a_new_one_is_known_soon(
    settings: ChatSettings, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited, notifications = LimitedUsers(), Notifications(settings)
    assert limited.may_include("bob")
    assert not limited.nobody()

    async def append() -> str:
        return "stored"

    no_pool: Any = None
    following = [asyncio.create_task(notifications.run())]
    following.append(asyncio.create_task(limited.follow(pool, notifications)))
    try:
        await eventually(limited.nobody)
        assert await use_cases.within(limited, no_pool, "alice", append) == ("stored", None)
        assert await use_cases.refuse(limited, no_pool, [Wanted(uuid4(), uuid4(), 1)]) == [None]
        await set_quota(pool, 5)
        await eventually(lambda: limited.may_include("alice"))
        assert not limited.may_include("bob")
        assert await use_cases.within(limited, no_pool, "bob", append) == ("stored", None)
        await set_quota(pool, 5, A_DAY, EVERYBODY)
        await eventually(lambda: limited.may_include("bob"))
        await use_cases.remove_quota(pool, EVERYBODY, A_DAY)
        await use_cases.remove_quota(pool, "alice", A_DAY)
        await eventually(limited.nobody)
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def test_a_soft_limit_that_is_passed_shows_over_http_and_on_the_stream(
    service_like: Pool, conversation: NewConversation
) -> None:
    """One that has no hard limit beside it too."""
    id, limited = await conversation(), LimitedUsers()
    await set_quota(service_like, None, soft=2)

    def counted() -> list[float]:
        return [REGISTRY.get_sample_value(name) or 0 for name in COUNTED]

    before = counted()
    assert (await send(service_like, id))[1] is None
    assert "2 of 2 messages of this day are used" in ((await send(service_like, id))[1] or "")
    async with transaction(service_like) as connection:
        wanted = [Wanted(uuid4(), id, None) for _ in range(3)]
        assert await use_cases.refuse(limited, connection, wanted) == [None] * 3
        await append_messages(connection, [NewMessage(each.id, id, "assistant", "hi") for each in wanted])
    assert counted() == [before[0] + 4, before[1]]
    await set_quota(service_like, 5, soft=2)
    with pytest.raises(QuotaExceeded):
        await send(service_like, id)
    async with transaction(service_like) as connection:
        [refused] = await use_cases.refuse(limited, connection, [Wanted(uuid4(), id, None)])
    assert isinstance(refused, QuotaExceeded)
    assert counted() == [before[0] + 4, before[1] + 2]


async def test_a_warning_counts_the_tokens_of_the_messages_that_it_comes_with(
    service_like: Pool, conversation: NewConversation
) -> None:
    id = await conversation()
    await set_quota(service_like, None, Kind("tokens", "month"), soft=10)

    async def append() -> None:
        async with transaction(service_like) as connection:
            await append_messages(connection, [NewMessage(uuid4(), id, "assistant", "hi", token_count=12)])

    _, warned = await use_cases.within(LimitedUsers(), service_like, "alice", append)
    assert warned is not None
    assert warned.startswith("12 of 10 tokens")

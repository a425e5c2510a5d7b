"""What a process knows of followed turns: all of it in order, with few statements, in bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat.announcements.served import ServedAgents
from chat.messages.answering import RuntimeTakesIt
from chat.settings import ChatSettings
from chat.turn_streams import feed as feeds
from chat.turn_streams import reading, repository
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.records import Over, Progress, Shown, Unanswered
from chat.turn_streams.repository import list_news
from chat.turn_streams.use_cases import follow
from chat.turns.records import PieceRow
from common.notifications import Notifications
from common.postgres import Pool
from tests.integration.chat.conftest import NewConversation
from tests.integration.chat.turn_readers import show, text, texts
from tests.support.wait import eventually

INSERT = """
INSERT INTO chat_turns (id, conversation_id, number, state, through_sequence, requested_at)
VALUES ($1, $2, 1, 'running', 1, now())
"""
END = "UPDATE chat_turns SET state = 'finished', ended_at = now() WHERE id = $1"


@pytest.fixture
def notifications(database: str) -> Notifications:
    """Not listening yet."""
    return Notifications(ChatSettings(database_url=database, auth_mode="dev"))


@asynccontextmanager
async def running(
    pool: Pool, feed: TurnFeed, notifications: Notifications, *, listens: bool = True
) -> AsyncIterator[None]:
    """The feed looks until the end of the block; without ``listens``, every notification is lost."""
    tasks = [asyncio.create_task(feed.run(pool, notifications))]
    if listens:
        tasks.append(asyncio.create_task(notifications.run()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def start_turn(pool: Pool, conversation: NewConversation) -> tuple[UUID, UUID]:
    """The conversation and the turn."""
    turn, of = uuid4(), await conversation()
    await pool.execute(INSERT, turn, of)
    return of, turn


class Follower:
    """Follows a turn; the numbers of what it got, and the end."""

    def __init__(
        self, pool: Pool, feed: TurnFeed, conversation_id: UUID, turn_id: UUID, *, after: int = 0
    ) -> None:
        self.numbers: list[int] = []
        self.end: Progress | None = None
        self.may = asyncio.Event()
        self.may.set()
        self.task = asyncio.create_task(self._run(pool, feed, conversation_id, turn_id, after))

    def has(self, last: int) -> bool:
        """Whether this is the last piece that came."""
        return self.numbers[-1:] == [last]

    async def _run(
        self, pool: Pool, feed: TurnFeed, conversation_id: UUID, turn_id: UUID, after: int
    ) -> None:
        async for step in follow(pool, feed, conversation_id, turn_id, after):
            if isinstance(step, Shown):
                self.numbers += [piece.number for piece in step.pieces]
            if isinstance(step, Over):
                self.end = step.progress
            await self.may.wait()


async def test_who_follows_sees_the_end_after_everything_that_was_shown(
    pool: Pool, conversation: NewConversation, notifications: Notifications
) -> None:
    feed = TurnFeed(1_000_000)
    async with running(pool, feed, notifications):
        for _ in range(10):
            of, turn = await start_turn(pool, conversation)
            followers = [Follower(pool, feed, of, turn) for _ in range(3)]
            for number in range(1, 30):
                await show(pool, turn, text(number))
            await pool.execute(END, turn)
            followers.append(Follower(pool, feed, of, turn, after=9))
            await asyncio.gather(*(follower.task for follower in followers))
            assert [f.numbers for f in followers] == [[*range(1, 30)]] * 3 + [[*range(10, 30)]]
            assert all(f.end is not None and f.end.ended for f in followers)


async def test_who_waits_for_a_runtime_waits_so_long(
    pool: Pool, conversation: NewConversation, notifications: Notifications
) -> None:
    of, turn = await start_turn(pool, conversation)
    await pool.execute("UPDATE chat_turns SET state = 'requested' WHERE id = $1", turn)
    feed, patience = TurnFeed(1_000_000), RuntimeTakesIt(ServedAgents(), "agent", "1", 0.0)
    async with running(pool, feed, notifications):
        [step] = [step async for step in follow(pool, feed, of, turn, 0, patience)]
        assert isinstance(step, Unanswered)
        assert step.code == "turn_not_taken"
        await pool.execute(END, turn)
        [step] = [step async for step in follow(pool, feed, of, turn, 0, patience)]
        assert isinstance(step, Over)


@pytest.mark.parametrize("polled", [True, False], ids=["polled", "without the poll"])
async def test_news_whose_notifications_were_lost_are_seen(
    pool: Pool,
    conversation: NewConversation,
    notifications: Notifications,
    monkeypatch: pytest.MonkeyPatch,
    polled: bool,
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(feeds, "POLL_SECONDS", 0.05)

    async def look(connection: object, known: dict[UUID, Any], rows: int) -> Sequence[object]:
        looks.append(len(known))
        return await list_news(connection, known, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "list_news", look)
    of, turn = await start_turn(pool, conversation)
    feed = TurnFeed(1_000_000)
    if not polled:
        feed._polled_at = float("inf")
    async with running(pool, feed, notifications, listens=False):
        follower = Follower(pool, feed, of, turn)
        await eventually(lambda: looks)
        await show(pool, turn, *texts(1, 3))
        await pool.execute(END, turn)
        if polled:
            await follower.task
            assert follower.numbers == [1, 2, 3]
            return
        other_of, other = await start_turn(pool, conversation)
        for _ in range(3):  # looks that another turn asks for
            Follower(pool, feed, other_of, other)
        await eventually(lambda: len(looks) >= 2)
        assert follower.numbers == []
        follower.task.cancel()


@pytest.mark.parametrize("fresh", [True, False], ids=["looked at first", "without a first look"])
async def test_who_comes_from_another_process_gets_nothing_twice(
    pool: Pool,
    conversation: NewConversation,
    notifications: Notifications,
    monkeypatch: pytest.MonkeyPatch,
    fresh: bool,
) -> None:
    """That process has shown pieces which this one hasn't heard of yet."""
    of, turn = await start_turn(pool, conversation)
    feed = TurnFeed(1_000_000)
    async with running(pool, feed, notifications, listens=False):
        Follower(pool, feed, of, turn)
        await eventually(lambda: turn in feed._turns and feed._turns[turn].last == 0)
        feed._polled_at = float("inf")
        await show(pool, turn, *texts(1, 3))
        if not fresh:

            async def at_once(*_: object) -> None:
                return

            monkeypatch.setattr(feed, "fresh", at_once)
        comer = Follower(pool, feed, of, turn, after=3)
        await eventually(lambda: feed._turns[turn].followers == 2)
        await show(pool, turn, text(4))
        await pool.execute(END, turn)
        feed._polled_at = float("-inf")
        await comer.task
    assert comer.numbers == ([4] if fresh else [1, 2, 3, 4])


async def test_one_statement_looks_at_all_turns_with_news(
    pool: Pool, conversation: NewConversation, notifications: Notifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at each turn once, however many follow it; those of this process's own pieces need none."""
    monkeypatch.setattr(feeds, "POLL_SECONDS", 3_600)
    looks: list[int] = []

    async def look(connection: object, known: dict[UUID, Any], rows: int) -> Sequence[object]:
        looks.append(len(known))
        return await list_news(connection, known, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "list_news", look)
    feed = TurnFeed(1_000_000)
    turns = [await start_turn(pool, conversation) for _ in range(40)]
    async with running(pool, feed, notifications):
        followers = [Follower(pool, feed, *turn) for turn in turns for _ in range(5)]
        await eventually(lambda: sum(looks) >= 40 and not feed._news)
        looks.clear()
        async with pool.acquire() as connection, connection.transaction():
            for _, turn in turns:
                await connection.execute(
                    "INSERT INTO chat_turn_pieces VALUES ($1, 1, 1, 0, $2)", turn, '[{"type":"text"}]'
                )
            for of, _ in turns:
                await connection.execute("SELECT pg_notify('chat_turn_news', $1)", str(of))
        await eventually(lambda: all(follower.numbers == [1] for follower in followers))
        assert len(looks) <= 20, "they come together"
        looks.clear()
        _, turn = turns[0]
        for _ in range(2):
            feed.stored(PieceRow(turn, 2, 2, '[{"type":"text"}]'))
        await eventually(lambda: all(follower.numbers == [1, 2] for follower in followers[:5]))
        assert not looks
        for follower in followers:
            follower.task.cancel()
    assert not feed._turns
    assert not feed._of


async def test_memory_is_bounded_and_a_slow_reader_gets_what_it_missed_from_postgres(
    pool: Pool, conversation: NewConversation, notifications: Notifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE_BYTES", 5_000)
    feed = TurnFeed(20_000)
    of, turn = await start_turn(pool, conversation)
    async with running(pool, feed, notifications):
        slow, fast = (Follower(pool, feed, of, turn) for _ in range(2))
        await show(pool, turn, text(1))
        await eventually(lambda: slow.numbers == fast.numbers == [1])
        slow.may.clear()
        await show(pool, turn, text(2))
        await eventually(lambda: fast.numbers[-1] == slow.numbers[-1] == 2)
        for first in range(3, 150, 3):
            await show(pool, turn, *(text(number, "x" * 500) for number in range(first, first + 3)))
            await eventually(partial(fast.has, first + 2))
            assert feed._turns[turn].bytes <= 20_000
        assert slow.numbers[-1] == 2
        await pool.execute(END, turn)
        await fast.task
        slow.may.set()
        await slow.task
    assert fast.numbers == slow.numbers == [*range(1, 150)]

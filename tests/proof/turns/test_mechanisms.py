"""Turns without what keeps a late runtime out, and without what keeps what was shown: the judge finds it."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.proof.chat.stage import Stage, stage
from tests.proof.ledger import Ledger
from tests.proof.turns.evidence import collect_turns
from tests.proof.turns.followers import Followers
from tests.proof.turns.judge import TurnsFindings, judge_turns
from tests.proof.turns.load import TurnsLoad, create_served_conversations
from tests.proof.turns.runtimes import Runtimes
from tests.support.wait import eventually

_COUNT_INTERRUPTED = "SELECT count(*) FROM chat_turns WHERE state = 'interrupted'"
_COUNT_DONE = "SELECT count(*) FROM chat_turns WHERE state IN ('finished', 'failed')"


@pytest.mark.large
@pytest.mark.parametrize(
    ("step", "without"),
    [("take", None), ("patch", None), ("show", None), ("append", None), ("take", "turn-tokens")],
    ids=["after-take", "after-patch", "after-show", "after-append", "without"],
)
async def test_a_frozen_runtime_writes_nothing_after_its_turn(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, step: str, without: str | None
) -> None:
    async with stage(database, redis, redis_url, tmp_path, without=without) as play:
        findings = await _freeze_a_runtime(play, step, redis_url, tmp_path)
    assert bool(findings.inversions) == bool(without), findings.by_kind()
    assert without or findings.good, findings.by_kind()
    assert without or findings.refused, "its token was tried, and refused"


@pytest.mark.large
@pytest.mark.parametrize("without", [None, "turn-shown"], ids=["with", "without"])
async def test_what_a_turn_had_shown_is_said_when_its_runtime_gives_up(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, without: str | None
) -> None:
    async with (
        stage(database, redis, redis_url, tmp_path, without=without) as play,
        _one_runtime(play, redis_url, tmp_path, fails=1.0) as one,
    ):
        await one.load.run()
        findings = await one.judge()
    assert findings.ended == {"failed": 1}
    assert bool(findings.lost) == bool(without), findings.by_kind()
    assert without or findings.good, findings.by_kind()


async def _freeze_a_runtime(play: Stage, step: str, redis_url: str, folder: Path) -> TurnsFindings:
    """It takes a turn and is frozen after a step until chat has interrupted it; then it goes on."""
    async with _one_runtime(play, redis_url, folder, fails=0, freezes_after=step) as one:
        await one.load.run()
        await eventually(lambda: play.database.fetchval(_COUNT_INTERRUPTED))
        [runtime] = one.runtimes.members
        runtime.freeze()  # it is, and has to be known as such
        runtime.thaw()
        return await one.judge()


@dataclass(slots=True)
class One:
    """A question, the one runtime that answers, and who watches."""

    play: Stage
    load: TurnsLoad
    runtimes: Runtimes
    followers: Followers

    async def judge(self) -> TurnsFindings:
        """When the question was answered."""
        await eventually(lambda: self.play.database.fetchval(_COUNT_DONE))
        await self.runtimes.finish()
        await self.followers.finish()
        settled = await self.load.settle(0)
        evidence = await collect_turns(self.play.database_url, self.play.redis, settled=settled)
        return judge_turns(self.load.ledger, self.runtimes.told, self.followers.watched, evidence)


@asynccontextmanager
async def _one_runtime(
    play: Stage, redis_url: str, folder: Path, *, fails: float, freezes_after: str | None = None
) -> AsyncIterator[One]:
    conversations = await create_served_conversations(play.database_url, redis_url, play.chats, 1)
    urls = [chat.url for chat in play.chats]

    async def find_chat(rng: random.Random) -> str:
        return rng.choice(urls)

    load = TurnsLoad(
        Ledger(),
        find_chat,
        database_url=play.database_url,
        redis_url=redis_url,
        conversations=conversations,
        total=1,
        seconds=0.1,
        seed=1,
    )
    runtimes = Runtimes(
        1,
        chats=urls,
        redis_url=redis_url,
        folder=folder,
        seed=1,
        fails=fails,
        freezes_after=freezes_after,
    )
    followers = Followers(runtimes, find_chat, seed=1)
    try:
        runtimes.wake()
        yield One(play, load, runtimes, followers)
    finally:
        await runtimes.stop()
        await followers.stop()

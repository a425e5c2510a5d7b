"""A runtime that was frozen for longer than its turn writes nothing more; if no token is checked, it does."""

import random
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.proof.chat.stage import Stage, stage
from tests.proof.ledger import Ledger
from tests.proof.turns.evidence import collect_turns
from tests.proof.turns.judge import TurnsFindings, judge_turns
from tests.proof.turns.load import TurnsLoad, create_served_conversations
from tests.proof.turns.runtimes import Line, Runtime, Runtimes
from tests.support.wait import eventually

_COUNT_INTERRUPTED = "SELECT count(*) FROM chat_turns WHERE state = 'interrupted'"
_COUNT_FINISHED = "SELECT count(*) FROM chat_turns WHERE state IN ('finished', 'failed')"


@pytest.mark.large
@pytest.mark.parametrize(
    ("step", "without"),
    [("take", None), ("patch", None), ("append", None), ("take", "turn-tokens")],
    ids=["after-take", "after-patch", "after-append", "without"],
)
async def test_a_frozen_runtime_writes_nothing_after_its_turn(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, step: str, without: str | None
) -> None:
    async with stage(database, redis, redis_url, tmp_path, without=without) as play:
        findings = await _freeze_a_runtime(play, step, redis_url, tmp_path)
    assert bool(findings.inversions) == bool(without), findings.by_kind()
    assert without or findings.good, findings.by_kind()
    assert without or findings.refused, "its token was tried, and refused"


async def _freeze_a_runtime(play: Stage, step: str, redis_url: str, folder: Path) -> TurnsFindings:
    """One runtime takes a turn and is frozen after a step until chat has interrupted it; then it goes on."""
    conversations = await create_served_conversations(play.database_url, redis_url, play.chats, 1)
    urls = [chat.url for chat in play.chats]
    runtimes = Runtimes(1, chats=urls, redis_url=redis_url, folder=folder, seed=1)
    frozen: list[Runtime] = []

    def freeze(runtime: Runtime, line: Line) -> None:
        if line.get("done") == step and not frozen:
            frozen.append(runtime)
            runtime.freeze()

    runtimes.listeners.append(freeze)

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
    try:
        runtimes.wake()
        await load.run()
        await eventually(lambda: play.database.fetchval(_COUNT_INTERRUPTED))
        frozen[0].thaw()
        await eventually(lambda: play.database.fetchval(_COUNT_FINISHED))
        await runtimes.finish()
        evidence = await collect_turns(play.database_url, play.redis, settled=await load.settle(0))
        return judge_turns(load.ledger, runtimes.told, evidence)
    finally:
        await runtimes.stop()

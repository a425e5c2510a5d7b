"""Cockpit's commands have effects that come twice or never without the mechanisms that chat's rely on too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.proof.chat.stage import COUNT_WAITING
from tests.proof.cockpit.evidence import collect_cockpit
from tests.proof.cockpit.judge import judge_cockpit
from tests.proof.cockpit.load import CockpitLedger, repeat, say, start_servers, take_seats
from tests.proof.findings import Findings
from tests.proof.fleet import Member
from tests.proof.ledger import Command
from tests.proof.streams import leftovers
from tests.support.wait import eventually

_LOCK = "SELECT 1 FROM cockpit_game_servers WHERE user_id = $1 FOR UPDATE"
_COUNT_SAID = "SELECT count(*) FROM cockpit_events WHERE meta->>'msg' = $1"


class Scene:
    """One user whose server runs, in a cockpit process with a mechanism switched off or none."""

    def __init__(self, cockpit: Member, ledger: CockpitLedger, database_url: str, redis: Redis) -> None:
        self.cockpit, self.ledger, self.redis = cockpit, ledger, redis
        self._database_url = database_url
        [self.seat] = ledger.seats

    async def say(self) -> Command:
        marker = f"s{len(self.ledger.says.commands)}"
        command = self.ledger.says.add(Command(marker, self.seat.conversation, "stream", uuid4()))
        await say(self.redis, command, self.seat.user)
        return command

    async def repeat(self, command: Command) -> None:
        await repeat(self.redis, command, self.seat.user)

    @asynccontextmanager
    async def connected(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(self._database_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def heard(self, command: Command) -> None:
        """Wait until the line was said."""
        async with self.connected() as connection:
            await eventually(lambda: connection.fetchval(_COUNT_SAID, command.marker))

    async def in_hand(self, *, acknowledged: bool) -> None:
        """Wait until the process has the command, which is acknowledged or not, and waits for a row.

        The simulation may wait for the same row before the command does.
        """

        async def delivered() -> bool:
            stream = await self.redis.xinfo_stream("cockpit.commands")
            [group] = await self.redis.xinfo_groups("cockpit.commands")
            has_it = group["last-delivered-id"] == stream["last-generated-id"]
            return bool(has_it and group["pending"] == (0 if acknowledged else 1))

        await eventually(delivered)
        async with self.connected() as connection:
            await eventually(lambda: connection.fetchval(COUNT_WAITING))

    async def judge(self) -> Findings:
        """Wait until nothing is in flight, and judge."""

        async def quiet() -> bool:
            return (await leftovers(self._database_url, self.redis, "cockpit")).quiet

        await eventually(quiet)
        return judge_cockpit(self.ledger, await collect_cockpit(self._database_url, self.redis))


@asynccontextmanager
async def scene(
    database: str, redis: Redis, redis_url: str, folder: Path, without: str | None
) -> AsyncIterator[Scene]:
    cockpit = Member(
        "cockpit",
        "cockpit-1",
        database_url=database,
        redis_url=redis_url,
        folder=folder,
        without=() if without is None else (without,),
    )
    ledger = await take_seats(database, 1, 0)
    try:
        await cockpit.start()
        await start_servers(ledger, database, redis_url)
        yield Scene(cockpit, ledger, database, redis)
    finally:
        await cockpit.kill()


@pytest.mark.parametrize("without", [None, "inbox"], ids=["with", "without"])
async def test_a_line_published_twice_is_said_once(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, without: str | None
) -> None:
    async with scene(database, redis, redis_url, tmp_path, without) as play:
        command = await play.say()
        await play.heard(command)
        await play.repeat(command)
        await play.heard(await play.say())
        findings = await play.judge()
    assert findings.good if without is None else findings.doubled, findings.by_kind()


@pytest.mark.parametrize("without", [None, "ack-after-commit"], ids=["with", "without"])
async def test_a_line_whose_process_is_killed_is_said_by_the_next_one(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, without: str | None
) -> None:
    async with scene(database, redis, redis_url, tmp_path, without) as play:
        async with play.connected() as connection, connection.transaction():
            await connection.execute(_LOCK, play.seat.user)
            await play.say()
            await play.in_hand(acknowledged=without is not None)
            await play.cockpit.kill()
        await play.cockpit.start()
        await play.heard(await play.say())
        findings = await play.judge()
    assert findings.good if without is None else findings.lost, findings.by_kind()

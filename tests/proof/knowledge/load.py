"""The seeded load of knowledge: folders whose files change, and commands to sync them."""

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from redis.asyncio import Redis

from contracts.knowledge import RequestSync
from tests.proof.commands import DUPLICATED, add_entry

COMMANDS = "knowledge.commands"
_FILES = 6
_FULL = 0.1


@dataclass(slots=True, frozen=True)
class Folder:
    """A knowledge base whose source is a folder here."""

    base: str
    path: Path

    def read(self) -> dict[str, str]:
        """Text of each file, by its path in the folder."""
        return {file.name: file.read_text() for file in sorted(self.path.glob("*.txt"))}

    def change(self, rng: random.Random, revision: str) -> None:
        """Replace one file at once, or now and then remove one."""
        file = self.path / f"page-{rng.randrange(_FILES)}.txt"
        if rng.random() < 0.15:
            file.unlink(missing_ok=True)
            return
        fresh = self.path / f".{file.name}"
        fresh.write_text(f"{self.base} {file.name} as of {revision}: what a person would look up here.\n")
        fresh.rename(file)


@dataclass(slots=True)
class KnowledgeLedger:
    """What knowledge was asked to do: the base of each sync, by its id, which is its command's. ``last`` are
    the syncs that were requested when nothing was broken any more."""

    folders: Sequence[Folder]
    syncs: dict[UUID, str] = field(default_factory=dict)
    last: set[UUID] = field(default_factory=set)
    copies: int = 0


def make_folders(place: Path, count: int, seed: int) -> KnowledgeLedger:
    """Folders with some files each, and the settings file that names them (see :func:`environment`)."""
    rng = random.Random(f"{seed} folders")
    folders = [Folder(f"base-{number}", place / f"base-{number}") for number in range(count)]
    for folder in folders:
        folder.path.mkdir(parents=True)
        for _ in range(2 * _FILES):
            folder.change(rng, "the start")
    bases = [{"id": folder.base, "source": str(folder.path)} for folder in folders]
    (place / "bases.json").write_text(json.dumps({"knowledgeBases": bases}))
    return KnowledgeLedger(folders)


def environment(place: Path) -> Mapping[str, str]:
    """Settings of a knowledge process. A dead worker's job soon passes to another one."""
    return {
        "KNOWLEDGE_BASES_FILE": str(place / "bases.json"),
        "SYNC_AT_START": "false",  # every sync is requested here
        "SYNC_LOCK_SECONDS": "4",
    }


class KnowledgeLoad:
    """Changes a file and requests a sync, ``total`` times over ``seconds``."""

    def __init__(
        self, ledger: KnowledgeLedger, *, redis_url: str, total: int, seconds: float, seed: int
    ) -> None:
        self._ledger, self._redis_url = ledger, redis_url
        self._total, self._seconds = total, seconds
        self._random = random.Random(f"{seed} knowledge")

    async def run(self) -> None:
        started = time.monotonic()
        async with Redis.from_url(self._redis_url, socket_timeout=5) as redis:
            for number in range(self._total):
                folder = self._random.choice(self._ledger.folders)
                folder.change(self._random, f"change {number}")
                mode = "full" if self._random.random() < _FULL else "incremental"
                sync = await self._ask(redis, folder, mode)
                if self._random.random() < DUPLICATED:
                    await self._publish(redis, sync, folder, mode)
                    self._ledger.copies += 1
                due = started + self._seconds * (number + 1) / self._total
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def finish(self) -> None:
        """Request one more sync of each base: nothing is broken any more, so each must succeed."""
        async with Redis.from_url(self._redis_url, socket_timeout=5) as redis:
            for folder in self._ledger.folders:
                folder.change(self._random, "the end")
                self._ledger.last.add(await self._ask(redis, folder, "incremental"))

    async def _ask(self, redis: Redis, folder: Folder, mode: str) -> UUID:
        sync = UUID(int=self._random.getrandbits(128), version=4)
        self._ledger.syncs[sync] = folder.base
        await self._publish(redis, sync, folder, mode)
        return sync

    async def _publish(self, redis: Redis, sync: UUID, folder: Folder, mode: str) -> None:
        data = {"knowledgeBaseId": folder.base, "mode": mode}
        await add_entry(redis, COMMANDS, RequestSync.type, str(sync), folder.base, data)

"""Random histories of a base's files, and what must hold while a sync follows one and half of it fails."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pytest

from common.errors import TransientError
from knowledge.sources.git.source import GitMemory
from knowledge.sources.website.pages import PageMemory
from knowledge.sync.work import SyncDeps
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.faults import SHARE
from tests.support.github import GitRepository

ATTEMPTS = 60

_SEEDS, _STEPS = (int(os.environ.get(f"HISTORY_{name}", "0")) for name in ("SEEDS", "STEPS"))
"""More seeds of each failing history, and longer ones, than the suite has time for."""

_WORDS = [
    "lever",
    "button",
    "gauge",
    "valve",
    "the",
    "of",
    "green",
    "red",
    "turns",
    "when",
    "pressed",
    "until",
]

_KINDS = ["write", "write", "edit", "rename", "delete", "binary", "empty", "huge", "latin", "force"]

State: TypeAlias = dict[str, tuple[str, ...]]
"""What a reader finds: the digests of each file's chunks, in their order, by path."""

_STATE = """
SELECT metadata->>'sourceFile' AS path,
       array_agg(md5(content) ORDER BY (metadata->>'chunkIndex')::int, id) AS chunks
FROM knowledge_embeddings WHERE knowledge_base_id = $1 GROUP BY 1
"""


class UnreliableEmbedder(CountingEmbedder):
    """Fails one call in five."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def embed(self, texts: Any, *, urgent: bool = False, once: bool = False) -> Any:
        if self._chance.random() < SHARE:
            raise TransientError("the embedder failed")
        return await super().embed(texts, urgent=urgent)


def seeds(*usual: int) -> list[int]:
    """The seeds of a failing history: ``usual``, or the first ``HISTORY_SEEDS``."""
    return list(range(_SEEDS)) or list(usual)


def change(repository: GitRepository, chance: random.Random) -> None:
    """One random commit: add, edit, rename, delete, binary, empty, huge, non-UTF-8, or a force-push."""
    docs = repository.path / "docs"
    files = sorted(str(path.relative_to(repository.path)) for path in docs.rglob("*") if path.is_file())
    new = f"docs/{chance.choice(['', 'a/', 'b/c/'])}{chance.randrange(12)}.md"
    text = " ".join(chance.choices(_WORDS, k=chance.choice([5, 50, 400])))
    kind = chance.choice(_KINDS)
    if kind == "edit" and files:
        target = chance.choice(files)
        repository.write(target, (repository.path / target).read_bytes() + b"\n\n" + text.encode())
    elif kind == "rename" and files:
        repository.rename(chance.choice(files), new)
    elif kind == "delete" and len(files) > 1:
        repository.remove(chance.choice(files))
    elif kind == "binary":
        repository.write(new, b"\x00\x01" + text.encode())
    elif kind == "empty":
        repository.write(new, "")
    elif kind == "huge":
        repository.write(new, text * 40)
    elif kind == "latin":
        repository.write(new, text.encode() + b" \xe9\xff")
    elif kind == "force" and int(repository.git("rev-list", "--count", "HEAD")) > 2:
        repository.git("reset", "-q", "--hard", "HEAD~1")
    else:
        repository.write(new, text)
    if not any(path.is_file() for path in docs.rglob("*")):
        repository.write("docs/0.md", text)
    repository.commit()


def seen(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What readers see: content, metadata, vector."""
    return sorted((row[2], row[3], row[4]) for row in rows)


@dataclass(slots=True, frozen=True)
class Followed:
    """A source whose history is followed. ``fail`` switches its failures on and off. ``alone``: one of its
    files can fail by itself, and stays old then while the others are new."""

    source: str
    deps: SyncDeps
    fail: Callable[[bool], None]
    alone: bool


async def follow(harness: Harness, seed: int, followed: Followed, steps: int) -> int:
    """Sync the harness's changing repository through ``followed`` until a sync succeeds, step by step.

    Whatever failed, readers saw the old state or the new one, and each step ends where a fresh full sync
    does. Returns how many syncs failed.
    """
    chance = random.Random(seed)  # seeded by the history alone: the order of calls is random
    for number in range(8):
        harness.repository.write(f"docs/{number}.md", f"Page {number % 3} has others like it.")
    failures, old, commit = 0, State(), None
    for step in range(_STEPS or steps):
        for _ in range(chance.randint(1, 3)):
            change(harness.repository, chance)
        base, mode = (
            harness.base(source=followed.source),
            chance.choice(["incremental", "incremental", "full"]),
        )
        followed.fail(True)
        async with _reader(harness) as states:
            for _ in range(ATTEMPTS):
                with suppress(TransientError):
                    await harness.sync(base, mode=mode, deps=followed.deps)
                    break
                failures += 1
                states.append(await _state(harness))
                assert await harness.commit_of() == commit, f"step {step}: it failed, and claims a new commit"
            else:
                pytest.fail(f"step {step} never came through")
        followed.fail(False)
        new = await _fresh(harness, followed, f"fresh-{step}")
        for state in states:
            _check(state, old, new, alone=followed.alone, where=f"step {step}")
        old, commit = new, await harness.commit_of()
    return failures


async def _fresh(harness: Harness, followed: Followed, base_id: str) -> State:
    """What a full sync that knows nothing makes of it. The followed base must equal it."""
    sources = replace(followed.deps.sources, git_memory=GitMemory(), page_memory=PageMemory())
    deps = replace(followed.deps, sources=sources, embedder=harness.embedder)
    result = await harness.sync(harness.base(base_id, source=followed.source), deps=deps)
    assert seen(await harness.content()) == seen(await harness.content(base_id)), base_id
    assert await harness.commit_of() == result.sha, base_id
    return await _state(harness, base_id)


@asynccontextmanager
async def _reader(harness: Harness) -> AsyncIterator[list[State]]:
    """Reads the base repeatedly. Returns every state that it found, in order."""
    states: list[State] = []

    async def read() -> None:
        while True:
            state = await _state(harness)
            if not states or states[-1] != state:
                states.append(state)
            await asyncio.sleep(0.002)  # how often it looks, nothing waits for it

    task = asyncio.create_task(read())
    try:
        yield states
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _state(harness: Harness, base_id: str = "handbook") -> State:
    rows = await harness.pool.fetch(_STATE, base_id)
    return {row["path"]: tuple(row["chunks"]) for row in rows}


def _check(state: State, old: State, new: State, *, alone: bool, where: str) -> None:
    assert state or not (old and new), f"{where}: the base was empty"
    if alone:
        for path in state.keys() | old.keys() | new.keys():
            assert state.get(path) in (old.get(path), new.get(path)), f"{where}: {path} was half done"
    else:
        assert state in (old, new), f"{where}: neither the old state nor the new one"

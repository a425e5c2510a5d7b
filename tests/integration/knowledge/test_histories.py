"""For random histories, an incremental sync ends where a fresh full one does, whatever fails on the way."""

import random
from contextlib import suppress
from typing import Any

import pytest

from common.errors import TakaroError, TransientError
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.github import Answer, GitRepository

pytestmark = pytest.mark.timeout(180)

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


class _Unreliable(CountingEmbedder):
    """Fails one call in five."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def embed(self, texts: Any, *, urgent: bool = False) -> Any:
        if self._chance.random() < 0.2:
            raise TransientError("the embedder failed")
        return await super().embed(texts, urgent=urgent)


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


@pytest.mark.parametrize("seed", range(3))
async def test_an_incremental_sync_equals_a_full_one_at_every_commit(harness: Harness, seed: int) -> None:
    chance = random.Random(seed)
    for step in range(12):
        change(harness.repository, chance)
        await harness.sync()
        fresh = f"fresh-{step}"
        await harness.sync(harness.base(fresh))
        assert seen(await harness.content()) == seen(await harness.content(fresh)), f"step {step}"


@pytest.mark.parametrize("seed", [7, 8])
async def test_it_does_so_with_a_github_and_an_embedder_that_fail_one_call_in_five(
    harness: Harness, seed: int
) -> None:
    chance = random.Random(seed)
    deps = harness.with_embedder(_Unreliable(chance))
    for step in range(8):
        change(harness.repository, chance)
        harness.github.fault = lambda _: Answer(502, b"") if chance.random() < 0.2 else None
        for _ in range(60):
            with suppress(TakaroError):
                await harness.sync(deps=deps)
                break
        else:
            pytest.fail(f"step {step} never came through")
        harness.github.fault = None
        fresh = f"fresh-{step}"
        await harness.sync(harness.base(fresh))
        assert seen(await harness.content()) == seen(await harness.content(fresh)), f"step {step}"


@pytest.mark.parametrize("seed", [2026])
async def test_a_history_of_200_commits_ends_where_a_full_sync_does(harness: Harness, seed: int) -> None:
    """Synced now and then, as a schedule would, with several commits in between; compared at some of them."""
    chance = random.Random(seed)
    print(f"seed {seed}")  # shown when it fails
    left, compared = 200, 0
    while left:
        pushed = min(left, chance.randint(1, 9))
        for _ in range(pushed):
            change(harness.repository, chance)
        left -= pushed
        await harness.sync()
        if left and chance.random() < 0.75:
            continue
        compared += 1
        fresh = f"fresh-{left}"
        await harness.sync(harness.base(fresh))
        assert seen(await harness.content()) == seen(await harness.content(fresh)), f"{left} commits left"
    assert compared > 3

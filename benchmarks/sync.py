"""Sync of a base, compared with the Node peer's upsert and a bare COPY, all with an HNSW index in place.

Embedding takes no time on either side: both write the same vectors. Each first sync begins with empty tables,
because rows cost more the larger the index is.
"""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from pgvector import Vector

from benchmarks.handbook import CHUNKS_A_FILE, EMPTY, Handbook, handbook
from benchmarks.report import Report
from benchmarks.world import World, median, run_peer
from common.postgres import prepare_connection
from knowledge.content.binary_codecs import register_binary
from knowledge.content.chunks.repository import CHUNK_COLUMNS, LIST_CHUNK_IDS
from knowledge.sources.selection import Selection

CHUNKS = int(os.environ.get("SYNC_CHUNKS", "5000"))
UNCHANGED = 15
"""How often an unchanged sync is measured."""


@dataclass(slots=True)
class Seconds:
    """The times of each round."""

    peer: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    tenth: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    look: list[float] = field(default_factory=list)


async def run(world: World, report: Report, rounds: int = 3) -> None:
    """Measure the peer, our sync and the bare COPY in turn, ``rounds`` times."""
    took = Seconds()
    calls: dict[str, Counter[str]] = {}
    async with handbook(world, world.folder / "handbook") as book:
        book.write(range(CHUNKS // CHUNKS_A_FILE))
        for number in range(rounds):
            report.progress(f"sync, round {number + 1} of {rounds}")
            await _empty(world)
            [line] = await asyncio.to_thread(
                run_peer, "data.mjs", "upsert", PGURL=world.peer_url, N=str(CHUNKS)
            )
            took.peer.append(CHUNKS / line["per_s"])
            book.embedder.vectors = await _vectors(world)
            took.copy.append(await _copy(world, book))
            await _ours(book, took, calls, edition=number + 1)
    _tell(report, took, calls)


async def _ours(book: Handbook, took: Seconds, calls: dict[str, Counter[str]], edition: int) -> None:
    files = CHUNKS // CHUNKS_A_FILE
    if edition > 1:
        book.write(range(files))
    await book.forget()
    seconds, calls["first"], result = await _timed(book)
    assert (result.type, result.chunks_created) == ("full", CHUNKS)
    took.first.append(seconds)
    for _ in range(UNCHANGED):
        seconds, calls["unchanged"], result = await _timed(book)
        assert result.type == "skipped"
        took.unchanged.append(seconds)
        took.look.append(await _look(book))
    tenth = range(0, files, 10)
    book.write(tenth, edition)
    seconds, calls["tenth"], result = await _timed(book)
    assert (result.type, result.chunks_created) == ("incremental", len(tenth) * CHUNKS_A_FILE)
    took.tenth.append(seconds)


async def _timed(book: Handbook) -> tuple[float, Counter[str], Any]:
    before, started = book.calls(), time.perf_counter()
    result = await book.sync()
    return time.perf_counter() - started, book.calls() - before, result


async def _look(book: Handbook) -> float:
    """The minimum work of an unchanged sync: the query for the base's hashes, and its one call."""
    deps, github = book.deps, book.github
    started = time.perf_counter()
    async with deps.pool.acquire() as connection:
        await connection.fetch(LIST_CHUNK_IDS, "handbook", "latest")
    async with deps.sources.open(github.source("docs"), Selection((".md",))) as source:
        await source.newest_commit()
    return time.perf_counter() - started


async def _vectors(world: World) -> Any:
    """The peer's vectors, in the order of its rows. Shape (chunks, 1536)."""
    connection = await asyncpg.connect(world.peer_url)
    await register_binary(connection)
    rows = await connection.fetch(
        "SELECT embedding FROM knowledge_embeddings ORDER BY ltrim(content, 'x')::int"
    )
    await connection.close()
    return np.stack([row["embedding"].to_numpy() for row in rows])


async def _copy(world: World, book: Handbook) -> float:
    """Copy the rows of the first sync into the emptied table, in one transaction."""
    connection = await asyncpg.connect(world.postgres.url)
    await prepare_connection(connection)
    await register_binary(connection)
    rows: list[tuple[Any, ...]] = [
        (
            UUID(int=i + 1),
            "handbook",
            "latest",
            f"{'x' * 600}{i}",
            {
                "sourceFile": f"docs/f{i // CHUNKS_A_FILE}.md",
                "chunkIndex": i % CHUNKS_A_FILE,
                "totalChunks": CHUNKS_A_FILE,
            },
            Vector(book.embedder.vectors[i]),
        )
        for i in range(CHUNKS)
    ]
    await connection.execute(EMPTY)
    await connection.execute("CHECKPOINT")
    started = time.perf_counter()
    await connection.copy_records_to_table("knowledge_embeddings", columns=CHUNK_COLUMNS, records=rows)
    seconds = time.perf_counter() - started
    await connection.close()
    return seconds


async def _empty(world: World) -> None:
    """Empty the peer's tables and ours, so that every round begins like the first."""
    for url, tables in ((world.peer_url, "knowledge_embeddings"), (world.postgres.url, EMPTY[9:])):
        connection = await asyncpg.connect(url)
        await connection.execute(f"TRUNCATE {tables}")
        await connection.execute("CHECKPOINT")
        await connection.close()


def _tell(report: Report, took: Seconds, calls: dict[str, Counter[str]]) -> None:
    peer, copy, first = median(took.peer), median(took.copy), median(took.first)
    tenth, unchanged, look = median(took.tenth), median(took.unchanged), median(took.look)
    # Ratios are taken round by round, so that a machine that slows down affects both sides.
    beside_peer = median([theirs / ours for theirs, ours in zip(took.peer, took.first, strict=True)])
    beside_copy = median([theirs / ours for theirs, ours in zip(took.copy, took.first, strict=True)])
    report.line(f"sync: Node, upsert of {CHUNKS:,} chunks", f"{CHUNKS / peer:,.0f} /s")
    report.line("sync: bare COPY of the same rows", f"{CHUNKS / copy:,.0f} /s")
    report.line("sync: first sync, files to rows", f"{CHUNKS / first:,.0f} /s")
    report.line("sync: first sync beside Node", f"{beside_peer:.2f}", "at least 1.2", beside_peer >= 1.2)
    report.line("sync: first sync beside COPY", f"{beside_copy:.2f}", "at least 0.9", beside_copy >= 0.9)
    report.line(
        "sync: a tenth of the files changed, beside a full one",
        f"{first / tenth:.1f} times faster ({tenth:.2f} s)",
        "at least 6",
        first / tenth >= 6,
    )
    report.line(
        "sync: unchanged, beside one select and its call",
        f"{unchanged / look:.1f} ({unchanged * 1000:.0f} ms, {look * 1000:.0f} ms)",
        "at most 5",
        unchanged / look <= 5,
    )
    for name, least in _fewest().items():
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(calls[name].items()))
        report.line(f"sync: calls of {name}", told, "the fewest", calls[name] == least)


def _fewest() -> dict[str, Counter[str]]:
    """One call for the commit, one listing, each changed file once, full batches."""
    files = CHUNKS // CHUNKS_A_FILE
    tenth = len(range(0, files, 10))
    return {
        "first": Counter(commits=1, trees=1, raw=files, embedder=-(-CHUNKS // 64)),
        "unchanged": Counter(commits=1),
        "tenth": Counter(commits=1, trees=1, raw=tenth, embedder=-(-tenth * CHUNKS_A_FILE // 64)),
    }

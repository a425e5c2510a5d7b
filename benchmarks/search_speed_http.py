"""Searches over HTTP among 50,000 chunks, beside prepared statements and the Node peer on the same tables."""

import asyncio
import itertools
import subprocess
import time
from collections.abc import Sequence

import asyncpg
import numpy as np
from pgvector import Vector

from benchmarks.report import Report
from benchmarks.search_chunks import Topics, queries_of
from benchmarks.search_served import Asker, served, times_of
from benchmarks.world import World, median, run_peer
from common.postgres import Connection, prepare_connection
from knowledge.content.binary_codecs import register_binary
from knowledge.embeddings import Vectors
from knowledge.search.costs import candidates
from takaro_local.postgres import binary
from tests.support.services import Service

BASES = ("large", "five-thousand", "four-thousand", "five-hundred", "eighty")
QUESTIONS, ROUNDS = 40, 5
CLIENTS, SECONDS = 8, 8
SPACE = "SELECT id, ef_search FROM knowledge_spaces WHERE knowledge_base_id = $1"
SHARED = """
SELECT content, metadata, 1 - (embedding <=> $1) AS score FROM knowledge_embeddings
ORDER BY embedding <=> $1 LIMIT 10
"""


async def run(world: World, report: Report, topics: Topics) -> None:
    """Medians of one run; the embedder is asked once for each question, before the clock starts."""
    vectors = {
        base: np.vstack([queries_of(topics, base, QUESTIONS // 2, near=near) for near in (True, False)])
        for base in BASES
    }
    names = {base: [f"{base} {i}" for i in range(QUESTIONS)] for base in BASES}
    known = {name: vectors[base][i] for base in BASES for i, name in enumerate(names[base])}
    async with served(world, known) as service:
        await _one(world, report, service, names, vectors)
        await _many(world, report, service, names)


async def _one(
    world: World, report: Report, service: Service, names: dict[str, list[str]], vectors: dict[str, Vectors]
) -> None:
    asker = Asker(service)
    connection = await asyncpg.connect(world.postgres.url)
    await prepare_connection(connection)
    await register_binary(connection)
    space, ef_search = await connection.fetchrow(SPACE, "large")
    await connection.execute(f"SET hnsw.ef_search = {ef_search}")
    ours: dict[str, list[float]] = {base: [] for base in BASES}
    bare: list[float] = []
    shared: list[float] = []
    nothing: list[float] = []
    for base in BASES:
        await times_of(asker, base, names[base] * 2)
    for number in range(ROUNDS):
        report.progress(f"search_speed, round {number + 1} of {ROUNDS}")
        for base in BASES:
            ours[base] += await times_of(asker, base, names[base])
        bare.append(await asyncio.to_thread(_pgbench, world, vectors["large"], space, ef_search))
        shared += await _fetches(connection, SHARED, [Vector(each) for each in vectors["large"]])
        nothing += await _fetches(connection, "SELECT 1", [None] * QUESTIONS)
    await connection.close()
    asker.close()
    p50, select = median(ours["large"]), median(nothing)
    report.line(
        "search_speed: 40,000, pgbench on its index", f"p50 {median(bare):.2f} ms at ef_search {ef_search}"
    )
    report.line("search_speed: 40,000, asyncpg on the shared index", f"p50 {median(shared):.2f} ms")
    ratio = p50 / median(bare)
    report.line(
        "search_speed: 40,000 over HTTP", f"p50 {p50:.2f} ms: {ratio:.2f} times", "at most 1.5", ratio <= 1.5
    )
    for base, most in (
        ("five-thousand", 4),
        ("four-thousand", None),
        ("five-hundred", None),
        ("eighty", None),
    ):
        value = f"p50 {median(ours[base]):.2f} ms"
        if most:
            report.line(
                f"search_speed: {base}, exact", value, f"at most {most} ms", median(ours[base]) <= most
            )
        elif base in ("five-hundred", "eighty"):
            more = median(ours[base]) - select
            value += f", {more:.2f} over SELECT 1"
            report.line(f"search_speed: {base}, exact", value, "2 ms over SELECT 1", more <= 2)
        else:
            report.line(f"search_speed: {base}, exact", value)


async def _fetches(connection: Connection, statement: str, arguments: Sequence[Vector | None]) -> list[float]:
    prepared = await connection.prepare(statement)
    taken = []
    for argument in arguments:
        started = time.perf_counter()
        await (prepared.fetch() if argument is None else prepared.fetch(argument))
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _pgbench(world: World, vectors: Vectors, space: int, ef_search: int) -> float:
    """Milliseconds of a prepared search of the space's own index, unfiltered; the median."""
    scripts = []
    for number, vector in enumerate(vectors):
        script = world.folder / f"search-{number}.sql"
        text = "[" + ",".join(map(str, vector.tolist())) + "]"
        script.write_text(
            f"SELECT chunk FROM knowledge_vectors WHERE space = {space} "
            f"ORDER BY embedding <#> '{text}' LIMIT {candidates(10)};\n"
        )
        scripts += ["-f", str(script)]
    log = world.folder / "pgbench"
    for old in world.folder.glob("pgbench.*"):
        old.unlink()
    options = ["-n", "-M", "prepared", "-t", str(QUESTIONS * 4), "-l", "--log-prefix", str(log)]
    subprocess.run(
        [str(binary("pgbench")), *options, *scripts, world.postgres.url],
        check=True,
        capture_output=True,
        env={"PGOPTIONS": f"-c hnsw.ef_search={ef_search}"},
    )
    [written] = world.folder.glob("pgbench.*")
    times = [int(line.split()[2]) / 1000 for line in written.read_text().splitlines()]
    return median(times[QUESTIONS * 2 :])


async def _many(world: World, report: Report, service: Service, names: dict[str, list[str]]) -> None:
    peer = await asyncio.to_thread(run_peer, "data.mjs", "search", PGURL=world.postgres.url)
    for base, rows in (("large", 40_000), ("four-thousand", 4_000)):
        [theirs] = [
            line["per_s"] for line in peer if f" {base} " in line["bench"] and line["concurrency"] == CLIENTS
        ]
        per_second = await _throughput(service, base, names[base])
        ratio = per_second / theirs
        report.line(
            f"search_speed: {CLIENTS} clients at {rows:,}",
            f"{per_second:.0f} /s, Node's statement {theirs:.0f}: {ratio:.2f} times",
            "at least 2",
            ratio >= 2,
        )


async def _throughput(service: Service, base: str, names: Sequence[str]) -> float:
    """Searches a second by clients that each ask one after another."""
    questions = itertools.cycle(names)
    done = 0
    until = time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal done
        asker = Asker(service)
        while time.perf_counter() < until:
            await asker.ask(base, next(questions))
            done += 1
        asker.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return done / SECONDS

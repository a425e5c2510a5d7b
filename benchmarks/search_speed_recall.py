"""Recall@10 against exact, from 80 to 100,000 chunks in one table of 150,000; and what the indexes cost."""

import asyncio
import time
from uuid import uuid4

import asyncpg
import numpy as np
from pgvector import Vector

from benchmarks.report import Report
from benchmarks.search_chunks import (
    FILTERS,
    MODEL,
    SIZES,
    Topics,
    id_of,
    passing_of,
    queries_of,
    share_filter,
    vectors_of,
)
from benchmarks.search_served import served
from benchmarks.world import World, median
from common.postgres import Pool, create_pool
from knowledge.content.binary_codecs import register_binary
from knowledge.embeddings import Vectors
from knowledge.search.nearest import nearest
from knowledge.search.records import Wanted
from knowledge.settings import KnowledgeSettings

QUESTIONS = 50
TARGET = 0.99
MOVED = 200


async def run(world: World, report: Report, topics: Topics) -> None:
    """Recall while nobody writes and while a sync's rows come and go, then sizes and build times."""
    async with served(world, {}):
        pass  # it builds the indexes
    settings = KnowledgeSettings(database_url=world.postgres.url, auth_mode="dev")
    async with await create_pool(settings) as pool:
        for base_id in SIZES:
            vectors = await asyncio.to_thread(vectors_of, topics, base_id)
            for near in (True, False):
                await _base(pool, report, topics, base_id, vectors, near=near)
    await _indexes(world, report)


async def _base(
    pool: Pool, report: Report, topics: Topics, base_id: str, vectors: Vectors, *, near: bool
) -> None:
    queries = queries_of(topics, base_id, QUESTIONS, near=near)
    cases: dict[str, str | None] = {"all": None} | {share: share_filter(share) for share in FILTERS}
    for case, passing in cases.items():
        rows = passing_of(case, len(vectors))
        writing = asyncio.create_task(_write(pool, base_id, queries))
        recalls, times, short = [], [], 0
        for query in queries:
            wanted = Wanted((base_id,), "bench", None, 10, None, passing, MODEL)
            started = time.perf_counter()
            found = await nearest(pool, wanted, query)
            times.append((time.perf_counter() - started) * 1000)
            order = np.argsort(-(vectors[rows] @ query), kind="stable")[:10]
            truth = {id_of(base_id, int(row)) for row in rows[order]}
            hits = {hit.chunk for hit in found.hits if hit.content != "coming and going"}
            short += len(found.hits) < min(10, len(rows))
            recalls.append(len(truth & hits) / len(truth) if truth else 1)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        recall = float(np.mean(recalls))
        report.line(
            f"search_speed: {SIZES[base_id]:,}, {'near' if near else 'far'}, {case}",
            f"recall {recall:.4f}, p50 {median(times):.1f} ms, {short} short",
            f"at least {TARGET}, none short",
            recall >= TARGET and not short,
        )


async def _write(pool: Pool, base_id: str, queries: Vectors) -> None:
    """A sync's rows: they come far from every question, and go again, without end."""
    away = -queries.mean(axis=0)
    while True:
        ids = [uuid4() for _ in range(MOVED)]
        async with pool.acquire() as connection:
            await register_binary(connection)
            await connection.copy_records_to_table(
                "knowledge_embeddings",
                columns=("id", "knowledge_base_id", "version", "content", "metadata", "embedding"),
                records=[(one, base_id, "latest", "coming and going", {}, Vector(away)) for one in ids],
            )
            await connection.execute("DELETE FROM knowledge_embeddings WHERE id = ANY($1::uuid[])", ids)


SIZE = """
SELECT pg_relation_size(indexrelid::regclass) / 1048576.0 FROM pg_stat_user_indexes WHERE indexrelname = $1
"""


async def _indexes(world: World, report: Report) -> None:
    """The largest base's index in half precision, as it is built here, and in full precision by pgvector's
    own settings and by ours."""
    connection = await asyncpg.connect(world.postgres.url)
    space = await connection.fetchval("SELECT id FROM knowledge_spaces WHERE knowledge_base_id = 'largest'")
    await connection.execute("SET maintenance_work_mem = '2GB'; SET max_parallel_maintenance_workers = 0")
    for what, table, column, operators, condition, options in (
        ("halfvec, as here", "knowledge_vectors", "embedding", "halfvec_ip_ops", f"space = {space}", "200"),
        (
            "halfvec, pgvector's own",
            "knowledge_vectors",
            "embedding",
            "halfvec_ip_ops",
            f"space = {space}",
            "64",
        ),
        (
            "vector, pgvector's own",
            "knowledge_embeddings",
            "embedding",
            "vector_cosine_ops",
            "knowledge_base_id = 'largest'",
            "64",
        ),
    ):
        started = time.perf_counter()
        await connection.execute(
            f"CREATE INDEX measured ON {table} USING hnsw ({column} {operators}) "
            f"WITH (ef_construction = {options}) WHERE {condition}",
            timeout=3600,
        )
        seconds = time.perf_counter() - started
        size = await connection.fetchval(SIZE, "measured")
        await connection.execute("DROP INDEX measured")
        report.line(f"search_speed: index of 100,000, {what}", f"{size:.0f} MB, built in {seconds:.0f} s")
    await connection.close()

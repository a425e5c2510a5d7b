"""Memory of a real knowledge process that syncs a base of 50,000 chunks (SYNC_MEMORY_CHUNKS).

It runs without the HNSW index, which uses memory of Postgres and would make this take minutes. The process
reads, embeds (by hashing) and writes the same without it.
"""

import os

import asyncpg

from benchmarks.report import Report
from benchmarks.world import TEXT, World, until
from tests.support.services import Service

CHUNKS = int(os.environ.get("SYNC_MEMORY_CHUNKS", "50000"))
CHUNKS_A_FILE = 8
SIZES = (CHUNKS // 10, CHUNKS)
COUNT = "SELECT chunk_count FROM knowledge_indexes WHERE knowledge_base_id = $1"


async def run(world: World, report: Report) -> None:
    """Sync a base of a tenth of the chunks, then one of all, each in its own process."""
    connection = await asyncpg.connect(world.postgres.url)
    await connection.execute("DROP INDEX knowledge_embeddings_embedding_idx")
    peaks = {}
    for size in SIZES:
        report.progress(f"sync: memory at {size:,} chunks")
        peaks[size] = await _peak(world, connection, size)
    await connection.close()
    small, large = SIZES
    report.line(f"sync: memory at {small:,} chunks", f"{peaks[small]:.0f} MB")
    report.line(
        f"sync: memory at {large:,} chunks", f"{peaks[large]:.0f} MB", "under 300 MB", peaks[large] < 300
    )


async def _peak(world: World, connection: "asyncpg.Connection[asyncpg.Record]", chunks: int) -> float:
    """The process's highest resident memory in MB after it has synced a base of ``chunks``."""
    name, folder = f"memory-{chunks}", world.folder / f"memory-{chunks}"
    docs = folder / "docs"
    docs.mkdir(parents=True)
    for file in range(chunks // CHUNKS_A_FILE):
        numbers = range(file * CHUNKS_A_FILE, (file + 1) * CHUNKS_A_FILE)
        (docs / f"f{file}.md").write_text("\n\n".join(f"{TEXT} {number}" for number in numbers))
    bases = folder / "bases.yaml"
    bases.write_text(
        f"knowledgeBases:\n- {{id: {name}, name: Memory, source: docs, chunkSize: 630, chunkOverlap: 0}}\n"
    )
    service = Service(
        "knowledge",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=folder / "service",
        environment={
            "LOG_LEVEL": "warning",
            "KNOWLEDGE_BASES_FILE": str(bases),
            "LOCAL_SOURCES_ROOT": str(folder),
        },
        anew=True,
    )
    await service.start()
    try:

        async def synced() -> bool:
            return bool(await connection.fetchval(COUNT, name) == chunks)

        await until(synced, 0.1)
        return _highest_rss_megabytes(service.pid)
    finally:
        await service.stop()


def _highest_rss_megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024

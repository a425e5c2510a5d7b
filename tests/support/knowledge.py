"""What the tests of knowledge share: jobs from the producer's side, and what the tables contain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from bullmq import Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from tests.support.services import Service, running
from tests.support.wait import eventually


class Jobs:
    """A producer of ``kb-sync`` jobs, as another service would be one."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._queue = Queue("kb-sync", {"connection": client})

    async def add(self, data: object, *, name: str = "sync", **options: Any) -> str:
        """Add a job; its id."""
        job = await self._queue.add(name, data, options)
        return str(job.id)

    async def there(self, job_id: str) -> None:
        """Wait until the job is in the queue: a command becomes one when it is read."""
        await eventually(partial(self._job, job_id))

    async def finished(self, job_id: str, *, timeout: float = 30) -> dict[str, Any]:
        """The job's state and outcome, once it has completed or failed."""

        async def outcome() -> dict[str, Any] | None:
            job = await self._job(job_id)
            state = await job.getState() if job else None
            if state not in ("completed", "failed"):
                return None
            job = await self._job(job_id)  # again: the state is newer than what was read before it
            return {"state": state, "result": job.returnvalue, "reason": job.failedReason}

        finished: dict[str, Any] | None = await eventually(outcome, timeout=timeout)
        assert finished is not None
        return finished

    async def sync(self, data: object, **options: Any) -> dict[str, Any]:
        """Add a job and wait for its outcome."""
        return await self.finished(await self.add(data, **options))

    async def _job(self, job_id: str) -> Any:
        from bullmq import Job

        return await Job.fromId(self._queue, job_id)


async def chunks_of(database: str, base_id: str) -> list[asyncpg.Record]:
    """The rows of a base: path, index, total, content."""
    return await fetch(
        database,
        "SELECT id, version, metadata->>'sourceFile' AS path, (metadata->>'chunkIndex')::int AS index, "
        "(metadata->>'totalChunks')::int AS total, content FROM knowledge_embeddings "
        "WHERE knowledge_base_id = $1 ORDER BY 3, 4",
        base_id,
    )


async def state_of(database: str, base_id: str) -> str | None:
    """The commit that the Node application would read."""
    rows = await fetch(
        database, "SELECT last_commit_sha FROM knowledge_sync_state WHERE knowledge_base_id = $1", base_id
    )
    return rows[0][0] if rows else None


async def fetch(database: str, query: str, *args: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch(query, *args)
    finally:
        await connection.close()


@asynccontextmanager
async def knowledge_service(
    database: str, redis_url: str, folder: Path, **environment: str
) -> AsyncIterator[Service]:
    """A running knowledge service that retries quickly."""
    async with running(
        "knowledge",
        database_url=database,
        redis_url=redis_url,
        folder=folder,
        environment={"HTTP_RETRY_SECONDS": "0.01", "HTTP_ATTEMPTS": "2", **environment},
    ) as service:
        yield service

"""Knowledge beside an embedder that knows the questions' vectors, and a client that costs little."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import asyncpg

from benchmarks.search_chunks import MODEL
from benchmarks.world import World, until
from knowledge.embeddings import Vectors
from tests.support.github import Answer
from tests.support.services import Service
from tests.support.web import Request, serve

UNINDEXED = """
SELECT count(*) FROM knowledge_spaces AS space
WHERE (SELECT count(*) FROM knowledge_vectors AS stored WHERE stored.space = space.id) > 8000
  AND (ef_search IS NULL OR NOT EXISTS (
      SELECT FROM pg_index
      WHERE indexrelid = to_regclass('knowledge_vectors_space_' || space.id) AND indisvalid))
"""


@asynccontextmanager
async def served(world: World, questions: dict[str, Vectors]) -> AsyncIterator[Service]:
    """The service, once each large base has its index; ``questions`` are the vectors by their text."""

    async def embed(request: Request) -> Answer:
        texts: list[str] = json.loads(request.body)["input"]
        data = [{"index": i, "embedding": questions[text].tolist()} for i, text in enumerate(texts)]
        return Answer(200, json.dumps({"data": data}).encode(), {"Content-Type": "application/json"})

    async with serve(embed) as embedder:
        service = Service(
            "knowledge",
            database_url=world.postgres.url,
            redis_url=world.redis.url,
            folder=world.folder / "search-speed",
            environment={
                "LOG_LEVEL": "warning",
                "EMBEDDINGS_PROVIDER": "openai",
                "EMBEDDINGS_BASE_URL": embedder.url,
                "EMBEDDINGS_MODEL": MODEL,
                "EMBEDDINGS_API_KEY": "none",
            },
            anew=True,
        )
        await service.start()
        try:
            connection = await asyncpg.connect(world.postgres.url)

            async def indexed() -> bool:
                return not await connection.fetchval(UNINDEXED)

            await until(indexed, interval=1)
            await connection.close()
            yield service
        finally:
            await service.stop()


class Asker:
    """One connection, one question at a time; the service closes it after five seconds without any."""

    def __init__(self, service: Service) -> None:
        self._port = service.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, base_id: str, question: str, limit: int = 10) -> list[dict[str, Any]]:
        """The hits of ``GET …/search``."""
        if time.monotonic() - self._used > 2:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._streams is not None
        reader, writer = self._streams
        target = f"/api/knowledge-bases/{base_id}/search?q={quote(question)}&limit={limit}"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\nX-User-Id: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        body = await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), body
        self._used = time.monotonic()
        hits: list[dict[str, Any]] = json.loads(body)["data"]
        return hits

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def times_of(asker: Asker, base_id: str, questions: Sequence[str]) -> list[float]:
    """Milliseconds of each question."""
    taken = []
    for question in questions:
        started = time.perf_counter()
        await asker.ask(base_id, question)
        taken.append((time.perf_counter() - started) * 1000)
    return taken

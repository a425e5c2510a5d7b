"""Read the files of a sync and embed their chunks, ahead of the transaction that shows them.

Embeddings go to a durable cache at once: a sync that is killed or fails later has lost none of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from common.postgres import Pool
from knowledge.bases.models import KnowledgeBase
from knowledge.binary_codecs import register_binary
from knowledge.documents import MAX_FILE_BYTES, UnsupportedContent, check_size
from knowledge.embeddings import Embedder
from knowledge.sources import FileRefused, FileUnreadable, Source, SourceFile
from knowledge.sync import repository, rules
from knowledge.sync.models import Chunk, FileState
from knowledge.sync.progress import Progress

log = structlog.get_logger()

FILES_AT_ONCE = 32
"""Files whose contents are in memory together."""


Report = Callable[[Progress], Awaitable[None]]


@dataclass(slots=True)
class Reading:
    """What came of the files: their states, and the chunks that have no row yet."""

    files: dict[str, FileState] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)


class Reader:
    """Reads files of one base at one commit."""

    def __init__(
        self,
        pool: Pool,
        embedder: Embedder,
        source: Source,
        base: KnowledgeBase,
        fingerprint: str,
        downloads: int,
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self._pool, self._embedder, self._source, self._base = pool, embedder, source, base
        self._fingerprint, self._max_file_bytes = fingerprint, max_file_bytes
        self._downloads = asyncio.Semaphore(downloads)

    async def read(
        self,
        files: Sequence[SourceFile],
        commit: str,
        known: dict[str, FileState],
        existing: Collection[UUID],
        report: Report,
    ) -> Reading:
        """Read ``files``; one that can't be fetched is a failed file, never an error of the whole."""
        reading, progress = Reading(), Progress(files_to_read=len(files))
        for start in range(0, len(files), FILES_AT_ONCE):
            part = files[start : start + FILES_AT_ONCE]
            outcomes = await asyncio.gather(
                *(self._read_one(file, commit, known.get(file.path), existing) for file in part)
            )
            fresh: list[Chunk] = []
            for state, chunks in outcomes:
                reading.files[state.path] = state
                fresh += [chunk for chunk in chunks if chunk.id not in existing]
            await self._embed_missing(fresh, len(part), progress, report)
            reading.chunks += fresh
            progress.files_read += len(part)
            progress.underway = 0
            await report(progress)
        return reading

    async def _read_one(
        self, file: SourceFile, commit: str, known: FileState | None, existing: Collection[UUID]
    ) -> tuple[FileState, list[Chunk]]:
        try:
            check_size(file.size, self._max_file_bytes)
            async with self._downloads:
                content = await self._source.read(file, commit)
            return await asyncio.to_thread(
                rules.read_file, self._base, self._fingerprint, file, content, self._max_file_bytes
            )
        except (FileRefused, UnsupportedContent) as error:
            return rules.unsupported_file(file, str(error)), []
        except FileUnreadable as error:
            log.warning("file not read", knowledge_base=self._base.id, path=file.path, reason=str(error))
            return rules.failed_file(file, str(error), known, existing), []

    async def _embed_missing(
        self, chunks: Sequence[Chunk], files: int, progress: Progress, report: Report
    ) -> None:
        """Make sure that the cache holds every chunk's embedding; buy those that it lacks, and count them.

        ``chunks`` are those of ``files`` files.
        """
        texts = {chunk.content_hash: chunk.content for chunk in chunks}
        if not texts:
            return
        model = self._embedder.model
        async with self._pool.acquire() as connection:
            await repository.update_cache_used(connection, model, list(texts))
            cached = await repository.list_cached_hashes(connection, model, list(texts))
        missing = [content_hash for content_hash in texts if content_hash not in cached]
        for start in range(0, len(missing), self._embedder.batch_size):
            if start:
                progress.underway = files * start / len(missing)
                await report(progress)
            batch = missing[start : start + self._embedder.batch_size]
            bought = [texts[content_hash] for content_hash in batch]
            vectors = await self._embedder.embed(bought)
            async with self._pool.acquire() as connection:
                await register_binary(connection)
                await repository.insert_cached(connection, model, batch, vectors)
            progress.add_embedded(bought)

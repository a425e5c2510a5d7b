"""Read the files of a sync and embed their chunks, ahead of the transaction that shows them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

import structlog

from common.postgres import Pool
from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks.records import Chunk
from knowledge.content.files import rules as file_rules
from knowledge.content.files.records import Content, ContentKey, FileState
from knowledge.documents import MAX_FILE_BYTES, FileUnreadable, UnsupportedContent, check_size
from knowledge.documents.threads import ReadingThreads
from knowledge.embeddings import Embedder
from knowledge.sources import FileRefused, Source, SourceFile
from knowledge.sync.buying import Bought, Buyer
from knowledge.sync.progress import Progress
from knowledge.waiting.later import Later

log = structlog.get_logger()

FILES_AT_ONCE = 32
"""Contents that are read together, while the chunks of as many others are embedded."""


Report = Callable[[Progress], Awaitable[None]]
Outcome: TypeAlias = tuple[FileState, list[Chunk]]
"""What came of a file."""


@dataclass(slots=True)
class Reading:
    """What came of the files: their states, and the chunks that have no row yet. ``later``: when those that
    could not be had may be asked for again, where that is known."""

    files: dict[str, FileState] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    later: Later | None = None


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
        self._threads = ReadingThreads()
        self._later: Later | None = None

    async def read(
        self,
        files: Sequence[SourceFile],
        commit: str,
        known: Mapping[str, FileState],
        existing: Collection[UUID],
        report: Report,
        at_hand: Mapping[ContentKey, Content] | None = None,
    ) -> Reading:
        """Read ``files``, each content once, and none of those ``at_hand``; a file that can't be fetched is a
        failed file, never an error of the whole."""
        reading = Reading(progress=Progress(files_to_read=len(files)))
        progress = reading.progress
        async with (
            Buyer(self._pool, self._embedder) as buyer,
            aclosing(self._parts(files, commit, known, existing, at_hand or {})) as parts,
        ):
            async for outcomes in parts:
                fresh: list[Chunk] = []
                for state, chunks in outcomes:
                    reading.files[state.path] = state
                    fresh += [chunk for chunk in chunks if chunk.id not in existing]
                await buyer.want(fresh)
                last = len(reading.files) == len(files)
                await buyer.buy(_telling(progress, len(outcomes), report), rest=last)
                reading.chunks += fresh
                progress.files_read += len(outcomes)
                progress.underway = 0
                if last:
                    progress.begin_writing(len(reading.chunks))
                await report(progress)
        reading.later = self._later
        return reading

    async def _parts(
        self,
        files: Sequence[SourceFile],
        commit: str,
        known: Mapping[str, FileState],
        existing: Collection[UUID],
        at_hand: Mapping[ContentKey, Content],
    ) -> AsyncGenerator[list[Outcome], None]:
        """What came of the files, part by part; the next part is read meanwhile."""
        alike: dict[ContentKey, list[SourceFile]] = {}
        for file in files:
            alike.setdefault(file_rules.content_key(file), []).append(file)
        contents = list(alike.items())

        async def read_alike(key: ContentKey, files: list[SourceFile]) -> list[Outcome]:
            if content := at_hand.get(key):
                return await asyncio.to_thread(
                    file_rules.files_of, self._base, self._fingerprint, files, content
                )
            return await self._read_alike(files, commit, known, existing)

        async def read(start: int) -> list[Outcome]:
            part = contents[start : start + FILES_AT_ONCE]
            outcomes = await asyncio.gather(*(read_alike(key, files) for key, files in part))
            return [outcome for of_one in outcomes for outcome in of_one]

        upcoming: asyncio.Task[list[Outcome]] | None = None
        try:
            for start in range(0, len(contents), FILES_AT_ONCE):
                outcomes = await (upcoming or read(start))
                following = start + FILES_AT_ONCE
                upcoming = asyncio.create_task(read(following)) if following < len(contents) else None
                yield outcomes
        finally:
            if upcoming is not None:
                upcoming.cancel()
                with suppress(Exception, asyncio.CancelledError):
                    await upcoming

    async def _read_alike(
        self,
        files: Sequence[SourceFile],
        commit: str,
        known: Mapping[str, FileState],
        existing: Collection[UUID],
    ) -> list[Outcome]:
        """What came of files of one content: where the first of them can't be had, the next is asked for."""
        refused: list[Outcome] = []
        failed: list[tuple[SourceFile, str]] = []
        for number, file in enumerate(files):
            try:
                check_size(file.size, self._max_file_bytes)
                async with self._downloads:
                    content = await self._source.read(file, commit)
                those = [file, *(earlier for earlier, _ in failed), *files[number + 1 :]]
                return refused + await self._threads.run(
                    content,
                    file_rules.read_files,
                    self._base,
                    self._fingerprint,
                    those,
                    content,
                    self._max_file_bytes,
                )
            except (FileRefused, UnsupportedContent) as error:
                refused.append((file_rules.unsupported_file(file, str(error)), []))
            except FileUnreadable as error:
                failed.append((file, str(error)))
                if isinstance(error.__cause__, Later):
                    self._later = error.__cause__
        for file, reason in failed:
            log.warning("file not read", knowledge_base=self._base.id, path=file.path, reason=reason)
            state = file_rules.failed_file(file, reason, known.get(file.path), existing)
            refused.append((state, []))
        return refused


def _telling(progress: Progress, files: int, report: Report) -> Bought:
    """Count what is bought for ``files`` more files, and report it while more is to come."""
    already = 0

    async def told(texts: Sequence[str], more: int) -> None:
        nonlocal already
        already += len(texts)
        progress.add_embedded(texts)
        if more:
            progress.underway = files * already / (already + more)
            await report(progress)

    return told

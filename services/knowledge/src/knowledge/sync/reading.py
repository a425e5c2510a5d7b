"""Reads the files of a sync and embeds their chunks, before the transaction that shows them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeAlias

import structlog

from common.errors import PermanentError, TakaroError
from knowledge.content.chunks.records import Chunk, Page, Passage
from knowledge.content.files import rules
from knowledge.content.files.records import Content, ContentKey, FileState
from knowledge.documents import FileUnreadable, UnsupportedContent, check_size, format_of
from knowledge.sources import FileRefused, SourceFile
from knowledge.sync.buying import Buyer
from knowledge.sync.progress import Progress
from knowledge.sync.work import Work
from knowledge.waiting.later import Later

log = structlog.get_logger()

CONTENTS_AT_ONCE = 64
"""Contents that are held at once, from the request until their chunks have been passed to the embedder."""

PART_SECONDS = 0.25
"""Files that are ready wait at most this long for others, which share their statements."""

Report = Callable[[Progress], Awaitable[None]]
Outcome: TypeAlias = tuple[FileState, list[Chunk]]
"""The outcome of a file."""


@dataclass(slots=True)
class Reading:
    """The outcome of the files: their states, and the chunks that have no row yet. ``later``: when the failed
    ones can be requested again, if known. ``refused``: those that failed because the embedder refuses one of
    their texts."""

    progress: Progress
    files: dict[str, FileState] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    later: Later | None = None
    refused: dict[str, TakaroError] = field(default_factory=dict)


class TooManyChunks(PermanentError):
    """The base would have more than it may. Nothing of the sync is applied."""

    default_code = "too_many_chunks"

    def __init__(self, most: int, what: str = "chunks") -> None:
        super().__init__(
            f"the base would have more than {most:,} {what} (MAX_CHUNKS_PER_BASE); include or exclude globs "
            "can narrow it down; what was indexed is kept"
        )


class Reader:
    """Reads files of one base at one commit."""

    def __init__(self, work: Work) -> None:
        self._work, self._base, self._fingerprint = work, work.base, work.wanted.fingerprint
        self._downloads = asyncio.Semaphore(work.deps.downloads)
        self._readers = work.deps.sources.readers.session()
        self._later: Later | None = None
        self._room = 0

    async def read(
        self,
        files: Sequence[SourceFile],
        progress: Progress,
        report: Report,
        at_hand: Mapping[ContentKey, Content],
        kept_chunks: int = 0,
    ) -> Reading:
        """Read ``files``, each content once, except those ``at_hand``. A file that can't be fetched is a
        failed file, not an error of the sync. Raises :class:`TooManyChunks`; ``kept_chunks`` are those of
        the base's other files."""
        self._room = self._work.deps.max_chunks - kept_chunks
        reading = Reading(progress=progress)
        stored, deps = self._work.stored, self._work.deps
        in_place = stored.chunk_ids
        failed_before = [path for path, state in stored.files.items() if state.outcome == "failed"]
        async with (
            Buyer(deps.pool, deps.embedder, progress.add_embedded, failed_before) as buyer,
            aclosing(self._parts(files, at_hand)) as parts,
        ):
            async for outcomes in parts:
                fresh: list[Chunk] = []
                for state, chunks in outcomes:
                    reading.files[state.path] = state
                    fresh += [chunk for chunk in chunks if chunk.id not in in_place]
                progress.add_read(len(outcomes), await buyer.want(fresh))
                last = len(reading.files) == len(files)
                await buyer.buy(partial(report, progress), rest=last)
                reading.chunks += fresh
                if last:
                    self._leave_out(reading, files, buyer.refused)
                    progress.begin_writing(len(reading.chunks))
                await report(progress)
        reading.later = self._later
        return reading

    def _leave_out(
        self, reading: Reading, files: Sequence[SourceFile], refused: Mapping[bytes, TakaroError]
    ) -> None:
        """Let the files fail that hold a text that the embedder ``refused``: a file has all of its chunks, or
        its old ones, if they were made in the same way."""
        if not refused:
            return
        stored, of_path = self._work.stored, {file.path: file for file in files}
        for chunk in reading.chunks:
            if chunk.path in reading.refused or (refusal := refused.get(chunk.content_hash)) is None:
                continue
            reading.refused[chunk.path] = refusal
            reason = f"part {chunk.index + 1} of {chunk.total} can't be embedded: {refusal.reason}"
            log.warning("file not embedded", knowledge_base=self._base.id, path=chunk.path, reason=reason)
            known = stored.files.get(chunk.path) if stored.is_made_with(self._fingerprint) else None
            file = of_path[chunk.path]
            reading.files[chunk.path] = rules.failed_file(file, reason, known, stored.chunk_ids)
        reading.chunks = [chunk for chunk in reading.chunks if chunk.path not in reading.refused]

    async def _parts(
        self, files: Sequence[SourceFile], at_hand: Mapping[ContentKey, Content]
    ) -> AsyncGenerator[list[Outcome], None]:
        """The outcome of the files in their order: those that are ready. Others are read meanwhile."""
        alike: dict[ContentKey, list[SourceFile]] = {}
        for file in files:
            alike.setdefault(rules.content_key(file), []).append(file)

        async def read_alike(key: ContentKey, files: list[SourceFile]) -> list[Outcome]:
            if content := at_hand.get(key):
                return await self._chunks_of(files, content)
            return await self._read_alike(files)

        upcoming = iter(alike.items())
        ahead: deque[asyncio.Task[list[Outcome]]] = deque()

        def read_ahead(in_hand: int = 0) -> None:
            for key, those in islice(upcoming, CONTENTS_AT_ONCE - in_hand - len(ahead)):
                ahead.append(asyncio.create_task(read_alike(key, those)))

        try:
            read_ahead()
            while ahead:
                await asyncio.wait(ahead, timeout=PART_SECONDS)
                await asyncio.wait([ahead[0]])
                ready: list[list[Outcome]] = []
                while ahead and ahead[0].done():
                    ready.append(ahead.popleft().result())
                read_ahead(len(ready))
                yield [outcome for of_one in ready for outcome in of_one]
                read_ahead()
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _read_alike(self, files: Sequence[SourceFile]) -> list[Outcome]:
        """The outcome of files with one content. If the first can't be fetched, the next is requested."""
        work, largest = self._work, self._work.max_file_bytes
        refused: list[Outcome] = []
        failed: list[tuple[SourceFile, str]] = []
        for number, file in enumerate(files):
            try:
                check_size(file.size, largest)
                # Until it is read: what waits for a reader is held in memory.
                async with self._downloads:
                    content = await self._content_of(file, await work.source.read(file, work.commit))
                those = [file, *(earlier for earlier, _ in failed), *files[number + 1 :]]
                return refused + await self._chunks_of(those, content)
            except (FileRefused, UnsupportedContent) as error:
                refused.append((rules.unsupported_file(file, str(error)), []))
            except FileUnreadable as error:
                failed.append((file, str(error)))
                if isinstance(error.__cause__, Later):
                    self._later = error.__cause__
        for file, reason in failed:
            log.warning("file not read", knowledge_base=self._base.id, path=file.path, reason=reason)
            known = work.stored.files.get(file.path)
            refused.append((rules.failed_file(file, reason, known, work.stored.chunk_ids), []))
        return refused

    async def _chunks_of(self, files: Sequence[SourceFile], content: Content) -> list[Outcome]:
        """The chunks of ``files``, which have this content."""
        self._room -= len(files) * len(content.passages)
        if self._room < 0:
            raise TooManyChunks(self._work.deps.max_chunks)
        window = self._work.deps.embedder.window
        return await asyncio.to_thread(rules.files_of, self._base, self._fingerprint, window, files, content)

    async def _content_of(self, file: SourceFile, content: bytes) -> Content:
        """What a reader's process makes of ``content``."""
        base, limits = self._base, self._work.deps.sources.readers.limits
        window = self._work.deps.embedder.window
        try:
            read = await self._readers.run(
                rules.read_texts,
                content,
                f"document{format_of(file.name)}",
                (base.chunk_size, base.chunk_overlap),
                self._work.max_file_bytes,
                limits.text,
                limits.chunks,
                (window.tokens, window.tokenizer) if window else None,
            )
        except UnsupportedContent as error:
            return Content("unsupported", str(error))
        passages = [
            Passage(text, tuple(headings))
            for text, headings in zip(read["texts"], read["headings"], strict=True)
        ]
        page = Page(read["title"], read["frontMatter"])
        return Content("indexed" if passages else "empty", read["note"] or None, passages, page)

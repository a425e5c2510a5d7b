"""What the stored rows of a base already provide: the texts of moved contents, and embeddings paid for."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from knowledge.content.cache import repository as cache_repository
from knowledge.content.chunks import repository as chunk_repository
from knowledge.content.chunks.records import Chunk, Page, Passage, described_by
from knowledge.content.chunks.rules import chunk_file
from knowledge.content.files.records import Content, ContentKey, FileState
from knowledge.content.files.rules import content_key
from knowledge.content.records import Stored
from knowledge.documents import format_of
from knowledge.sources import SourceFile
from knowledge.sync.work import Work

ROWS_A_FETCH = 500


async def read_from_rows(work: Work, files: Sequence[SourceFile]) -> dict[ContentKey, Content]:
    """The contents of ``files`` (renamed, copied, restored) that the rows of other files hold.

    The stored rows must have the wanted fingerprint. They are trusted only if all rows of a file exist and
    yield its ids again. Their embeddings are put back into the cache if it has deleted them.
    """
    contents, holders = _holders(files, work.stored)
    for part in _parts(holders.values()):
        async with work.deps.pool.acquire() as connection:
            ids = [chunk_id for state in part for chunk_id in state.chunk_ids]
            rows = await chunk_repository.list_contents(connection, ids)
            ours = await asyncio.to_thread(_ours, work, part, rows)
            hashes = {chunk.id: chunk.content_hash for _, chunks in ours for chunk in chunks}
            await cache_repository.insert_cached_from_rows(connection, work.wanted.model, hashes)
        for state, chunks in ours:
            passages = [Passage(chunk.content, tuple(chunk.headings)) for chunk in chunks]
            contents[_key(state)] = Content("indexed", state.reason, passages, chunks[0].page)
    return contents


def _holders(
    files: Sequence[SourceFile], stored: Stored
) -> tuple[dict[ContentKey, Content], dict[ContentKey, FileState]]:
    """Contents that are known to have no rows, and for each other content a file whose rows all exist.

    A failed file doesn't count: its remaining rows aren't content. A website's pages are read in a format of
    their own, which isn't stored with known files.
    """
    wanted = {content_key(file) for file in files if not file.format}
    contents: dict[ContentKey, Content] = {}
    holders: dict[ContentKey, FileState] = {}
    for state in stored.files.values():
        key = _key(state)
        if key not in wanted or state.outcome == "failed":
            continue
        if not state.chunk_ids:
            contents[key] = Content(state.outcome, state.reason)
        elif all(chunk_id in stored.chunk_ids for chunk_id in state.chunk_ids):
            holders[key] = state
    return contents, holders


def _key(state: FileState) -> ContentKey:
    return state.content_sha, format_of(state.path)


def _ours(
    work: Work, states: Sequence[FileState], rows: Mapping[UUID, tuple[str, Any]]
) -> list[tuple[FileState, list[Chunk]]]:
    """The ``states`` whose rows are as we wrote them, with their chunks: they yield the same ids again."""
    ours = []
    for state in states:
        page, passages = Page(), list[Passage]()
        for chunk_id in state.chunk_ids:
            if chunk_id in rows:
                text, metadata = rows[chunk_id]
                page, headings = described_by(metadata)
                passages.append(Passage(text, headings))
        chunks = chunk_file(
            work.base, work.wanted.fingerprint, state.path, page, passages, work.deps.embedder.window
        )
        if tuple(chunk.id for chunk in chunks) == state.chunk_ids:
            ours.append((state, chunks))
    return ours


def _parts(states: Iterable[FileState]) -> Iterator[list[FileState]]:
    """Groups of files with about ``ROWS_A_FETCH`` rows together."""
    part: list[FileState] = []
    rows = 0
    for state in states:
        part.append(state)
        rows += len(state.chunk_ids)
        if rows >= ROWS_A_FETCH:
            yield part
            part, rows = [], 0
    if part:
        yield part

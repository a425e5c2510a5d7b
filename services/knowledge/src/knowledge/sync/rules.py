"""What a sync has to do. Pure.

A chunk's id is a digest of its text, its file and what made it, so comparing two sets of ids is the whole
comparison: rows of another model, another chunker or another writer never have a wanted id.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from common import codec
from knowledge.bases.models import KnowledgeBase
from knowledge.documents import MAX_FILE_BYTES, READERS, UnsupportedContent, format_of, read_document
from knowledge.sources import SourceFile
from knowledge.sources.location import SITEMAP_SCHEMES
from knowledge.sources.selection import Selection
from knowledge.sync.chunker import chunk_text
from knowledge.sync.models import (
    Chunk,
    Content,
    ContentKey,
    FileState,
    Index,
    Plan,
    StoredVersion,
    metadata_of,
)

CHUNKER = "windows-1"
"""Names the chunker's rules: change it with them, and every base is built anew at its next sync."""


def selection_of(base: KnowledgeBase) -> Selection:
    """Which files ``base`` takes. Pages of a website have no extensions to go by: globs alone choose them."""
    website = base.source.startswith(SITEMAP_SCHEMES)
    return Selection(() if website else base.extensions, base.include, base.exclude)


def fingerprint_of(base: KnowledgeBase, model: str, max_file_bytes: int = MAX_FILE_BYTES) -> str:
    """64 hex digits for what turns a file into rows: readers, model, chunker, chunk sizes, largest file."""
    return _sha256([READERS, CHUNKER, model, base.chunk_size, base.chunk_overlap, max_file_bytes])


def definition_of(base: KnowledgeBase) -> str:
    """64 hex digits for what says which files belong to the base."""
    return _sha256([base.source, base.extensions, base.include, base.exclude])


def content_key(file: SourceFile) -> ContentKey:
    """Files with the same key have the same text."""
    return file.content_sha, format_of(file.name)


def chunk_file(base: KnowledgeBase, fingerprint: str, path: str, texts: Sequence[str]) -> list[Chunk]:
    """The chunks of one file.

    Its place among them is no part of a chunk's id: a paragraph at the end of a file changes ``totalChunks``
    of all, one at its beginning ``chunkIndex`` too, and an UPDATE of these alone leaves the HNSW index be. On
    pages that are half full (revision 019) it takes 0.1 ms a row where to delete and insert it takes 1.7 to 8
    (200 chunks of a file among 5,000, measured).
    """
    chunks = []
    before: Counter[bytes] = Counter()
    for index, text in enumerate(texts):
        content_hash = hashlib.sha256(text.encode()).digest()
        row = [fingerprint, base.id, base.version, path, before[content_hash], content_hash.hex()]
        before[content_hash] += 1
        digest = hashlib.sha256(codec.dumps(row)).digest()
        chunks.append(Chunk(UUID(bytes=digest[:16], version=5), path, index, len(texts), text, content_hash))
    return chunks


def read_files(
    base: KnowledgeBase,
    fingerprint: str,
    files: Sequence[SourceFile],
    content: bytes,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> list[tuple[FileState, list[Chunk]]]:
    """The state and the chunks of each of ``files``, all of one key, from the content that was fetched for
    the first. Raises ``FileUnreadable``."""
    try:
        text = read_document(files[0].name, content, max_bytes=max_file_bytes)
    except UnsupportedContent as error:
        return files_of(base, fingerprint, files, Content("unsupported", str(error), ()))
    texts = chunk_text(text, size=base.chunk_size, overlap=base.chunk_overlap)
    return files_of(base, fingerprint, files, Content("indexed" if texts else "empty", None, texts))


def files_of(
    base: KnowledgeBase, fingerprint: str, files: Sequence[SourceFile], content: Content
) -> list[tuple[FileState, list[Chunk]]]:
    """The state and the chunks of each of ``files``, which have this content."""
    made = []
    for file in files:
        chunks = chunk_file(base, fingerprint, file.path, content.texts)
        ids = tuple(chunk.id for chunk in chunks)
        made.append((FileState(file.path, file.content_sha, content.outcome, content.reason, ids), chunks))
    return made


def unsupported_file(file: SourceFile, reason: str) -> FileState:
    """The state of a file that has no text: no rows, and it isn't read again until it changes."""
    return FileState(file.path, file.content_sha, "unsupported", reason, ())


def failed_file(
    file: SourceFile, reason: str, known: FileState | None, existing: Collection[UUID]
) -> FileState:
    """The state of a file that could not be fetched: it keeps its rows, and is read again next time."""
    kept = tuple(chunk_id for chunk_id in known.chunk_ids if chunk_id in existing) if known else ()
    return FileState(file.path, known.content_sha if known else "", "failed", reason, kept)


def files_to_read(
    listing: Sequence[SourceFile],
    known: Mapping[str, FileState],
    existing: Collection[UUID],
    *,
    everything: bool,
) -> list[SourceFile]:
    """The files whose rows can't be known without their content: new, changed, failed before, or with rows
    that somebody else has deleted."""
    return [
        file
        for file in listing
        if everything
        or (state := known.get(file.path)) is None
        or state.content_sha != file.content_sha
        or state.outcome == "failed"
        or any(chunk_id not in existing for chunk_id in state.chunk_ids)
    ]


def plan_of(
    listing: Sequence[SourceFile],
    known: Mapping[str, FileState],
    read: Mapping[str, FileState],
    chunks: list[Chunk],
) -> Plan:
    """The state to bring about: what was read, and what is known of the rest of the listing."""
    plan = Plan(files={file.path: read.get(file.path) or known[file.path] for file in listing}, chunks=chunks)
    for path, state in plan.files.items():
        if state.outcome == "failed":
            continue
        before = known.get(path)
        if before is None or (before.outcome == "failed" and not before.content_sha):
            plan.added += 1
        elif before.chunk_ids != state.chunk_ids or before.content_sha != state.content_sha:
            plan.modified += 1
    plan.removed = sum(path not in plan.files for path in known)
    return plan


def moved_chunks(
    plan: Plan, known: Mapping[str, FileState], existing: Collection[UUID]
) -> dict[UUID, dict[str, Any]]:
    """The metadata of the rows in place that may have another one, for their files have other chunks now."""
    moved = {}
    for path, state in plan.files.items():
        before = known.get(path)
        if state.outcome != "indexed" or before is None:
            continue
        if before.chunk_ids == state.chunk_ids and before.outcome == "indexed":
            continue
        for index, chunk_id in enumerate(state.chunk_ids):
            if chunk_id in existing:
                moved[chunk_id] = metadata_of(path, index, len(state.chunk_ids))
    return moved


def of_other_models(versions: Sequence[StoredVersion], current: str, model: str) -> list[str]:
    """The versions beside ``current`` whose rows ``model`` hasn't made: it can't search them, and a reader
    that asks for no version would compare its vectors with theirs."""
    return [other.version for other in versions if other.version != current and other.model != model]


def is_current(
    index: Index | None,
    *,
    commit: str,
    fingerprint: str,
    definition: str,
    known: Mapping[str, FileState],
    existing: Collection[UUID],
    obsolete_versions: Collection[str],
) -> bool:
    """Whether nothing is to be done: the same commit, the same rules, and exactly the rows that belong."""
    return (
        index is not None
        and not obsolete_versions
        and (index.commit, index.fingerprint, index.definition) == (commit, fingerprint, definition)
        and all(state.outcome != "failed" for state in known.values())
        and {chunk_id for state in known.values() for chunk_id in state.chunk_ids} == set(existing)
    )


def may_apply_partly(
    index: Index | None,
    fingerprint: str,
    existing: Collection[UUID],
    wanted: Collection[UUID],
    other_versions: Collection[str],
) -> bool:
    """Whether the files that were read may be applied although others failed.

    Not when the rows in place come from another model, chunker or writer: the failed files' old rows would
    then stand beside new ones of another making. Nor when none would be left: where all files have moved and
    none of them can be had yet, the old ones are better than nothing. Nor when half of a new version would
    be found in place of another one that is whole.
    """
    if not existing:
        return not other_versions
    return index is not None and index.fingerprint == fingerprint and bool(wanted)


def _sha256(parts: Sequence[object]) -> str:
    return hashlib.sha256(codec.dumps(parts)).hexdigest()

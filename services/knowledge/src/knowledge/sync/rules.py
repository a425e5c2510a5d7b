"""What a sync has to do. Pure.

A chunk's id is a digest of its text, its file and what made it, so it is enough to compare two sets of ids:
rows of another model, another chunker or another writer never have a wanted id.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks.records import Chunk, place_of
from knowledge.content.files.records import FileState
from knowledge.content.indexes.records import Index
from knowledge.content.indexes.rules import definition_of, fingerprint_of
from knowledge.content.records import Stored
from knowledge.content.versions.rules import of_other_models
from knowledge.embeddings import Embedder
from knowledge.sources import Known, SourceFile
from knowledge.sources.location import SITEMAP_SCHEMES
from knowledge.sources.selection import Selection
from knowledge.sync.records import Plan


def selection_of(base: KnowledgeBase) -> Selection:
    """Which files ``base`` takes. A website's pages have no extensions, so only globs select them."""
    return Selection(() if reads_pages(base) else base.extensions, base.include, base.exclude)


def wanted_index(base: KnowledgeBase, embedder: Embedder, max_file_bytes: int, commit: str) -> Index:
    """What the base's rows should be made with, at this commit of its source."""
    fingerprint = fingerprint_of(base, embedder, max_file_bytes)
    return Index(embedder.model, fingerprint, definition_of(base), commit, 0)


def reads_pages(base: KnowledgeBase) -> bool:
    """Whether the base's source is a website."""
    return base.source.startswith(SITEMAP_SCHEMES)


def known_of(stored: Stored, *, everything: bool, fresh: bool) -> Known:
    """What a source need not read, and what is stored of it."""
    contents = {} if everything else contents_in_place(stored)
    return Known(frozenset(stored.files), contents, fresh=fresh)


def contents_in_place(stored: Stored) -> dict[str, str]:
    """The hash of each file's content, by path, if all rows made from it are there."""
    return {
        path: state.content_sha
        for path, state in stored.files.items()
        if state.outcome != "failed" and all(chunk_id in stored.chunk_ids for chunk_id in state.chunk_ids)
    }


def files_to_read(listing: Sequence[SourceFile], stored: Stored, *, everything: bool) -> list[SourceFile]:
    """The files whose content is needed to know their rows: new, changed, failed before, or with rows that
    another program has deleted."""
    contents = {} if everything else contents_in_place(stored)
    return [file for file in listing if contents.get(file.path) != file.content_sha]


def count_kept_chunks(listing: Sequence[SourceFile], to_read: Sequence[SourceFile], stored: Stored) -> int:
    """The chunks of the listed files that stay as they are."""
    read = {file.path for file in to_read}
    return sum(len(stored.files[file.path].chunk_ids) for file in listing if file.path not in read)


def plan_of(
    listing: Sequence[SourceFile], stored: Stored, read: Mapping[str, FileState], chunks: list[Chunk]
) -> Plan:
    """The state to write: what was read, and what is known of the rest of the listing."""
    known = stored.files
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
    """The places of stored rows that may have to change, because their files have other chunks now."""
    moved = {}
    for path, state in plan.files.items():
        before = known.get(path)
        if state.outcome != "indexed" or before is None:
            continue
        if before.chunk_ids == state.chunk_ids and before.outcome == "indexed":
            continue
        for index, chunk_id in enumerate(state.chunk_ids):
            if chunk_id in existing:
                moved[chunk_id] = place_of(path, index, len(state.chunk_ids))
    return moved


def is_current(stored: Stored, wanted: Index) -> bool:
    """Whether there is nothing to do: the same commit, the same rules, exactly the rows that belong, and no
    version of another model."""
    index, files = stored.index, stored.files.values()
    return (
        index is not None
        and not of_other_models(stored.versions, stored.version, wanted.model)
        and (index.commit, index.fingerprint, index.definition)
        == (wanted.commit, wanted.fingerprint, wanted.definition)
        and all(state.outcome != "failed" for state in files)
        and {chunk_id for state in files for chunk_id in state.chunk_ids} == stored.chunk_ids
    )


def may_apply_partly(
    stored: Stored, fingerprint: str, wanted: Collection[UUID], *, unread: bool = True
) -> bool:
    """Whether the files that were read may be applied although others failed. If none is ``unread``, they
    failed because the embedder refuses a text of theirs: then the others are all that there will be.

    Not if the stored rows come from another model, chunker or writer: the failed files' old rows would be
    mixed with new ones made differently. Not if no rows would remain: if all files have moved and none can be
    fetched yet, the old rows are better than none. Not if searches would find half of a new version in place
    of a complete one.
    """
    if not unread:
        return bool(wanted) or not stored.chunk_ids
    if not stored.chunk_ids:
        return all(other.version == stored.version for other in stored.versions)
    return stored.is_made_with(fingerprint) and bool(wanted)

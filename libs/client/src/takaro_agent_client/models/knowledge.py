"""What knowledge answers."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from takaro_agent_client.models.model import Model


class KnowledgeBase(Model):
    """A knowledge base, as lists show it. ``document_count`` counts source files."""

    id: str
    name: str
    description: str
    version: str
    document_count: int
    last_commit_sha: str | None
    last_synced_at: datetime | None
    refresh_schedule: str | None
    source: str
    state: str
    last_error: str | None
    notices: list[str] = Field(default_factory=list)


class WholeKnowledgeBase(KnowledgeBase):
    """A knowledge base with its whole definition, and the ``versions`` that have content."""

    extensions: list[str]
    include: list[str]
    exclude: list[str]
    chunk_size: int
    chunk_overlap: int
    public: bool
    origin: str
    versions: list[str]


class Hit(Model):
    """A chunk that was found. ``score`` is its cosine similarity to the question."""

    content: str
    score: float
    metadata: dict[str, Any]


class Position(Model):
    """A chunk is number ``index`` (from 0) of the ``total`` chunks of its file."""

    index: int
    total: int | None


class Neighbours(Model):
    """The chunks before and after a hit, in the file's order."""

    before: list[str]
    after: list[str]


class Passage(Hit):
    """A chunk that was found in one of several bases, and where. ``score_kind`` says what ``score`` is.
    ``link`` leads to the file at its source, as it was indexed. ``heading_path``: the headings that it
    stands under, the outermost first."""

    chunk_id: UUID
    knowledge_base_id: str
    version: str
    score_kind: str
    cosine: float | None
    source_file: str | None
    title: str | None
    heading_path: list[str]
    position: Position | None
    link: str | None
    neighbours: Neighbours | None = None


class SearchPlan(Model):
    """How an answer was found: the ``plan`` that ran, why, and how many milliseconds each part took."""

    plan: str
    reason: str
    milliseconds: dict[str, float]
    not_reranked: str | None = None


class Found(Model):
    """What was found for one question, best first."""

    hits: list[Passage]
    explain: SearchPlan | None = None


class ListedDocument(Model):
    """A file of a base that has text: where people read it, and how many ``chunks`` it has."""

    path: str
    title: str | None
    chunks: int
    link: str | None


class Document(ListedDocument):
    """A document, or a part of it. ``text`` begins with chunk number ``first_chunk``; what follows begins
    with ``next_chunk``, ``None`` at the end."""

    knowledge_base_id: str
    version: str
    text: str
    first_chunk: int
    next_chunk: int | None
    metadata: dict[str, Any]


class SyncRequest(Model):
    """A sync that was asked for. ``job_id`` finds it in the history and in facts."""

    job_id: str
    status: Literal["queued"]


class SyncedFile(Model):
    """What a sync did with a file. ``reason``: why it has no content."""

    path: str
    change: Literal["added", "modified", "removed"] | None
    outcome: str
    reason: str | None


class Progress(Model):
    """How far a sync is. ``rate``: chunks or rows a second in this phase, ``seconds_left`` of it."""

    phase: str
    files_read: int
    files_to_read: int
    chunks_embedded: int
    tokens: int
    rows_written: int
    rows_to_write: int
    rate: float
    seconds_left: float | None


class Sync(Model):
    """A sync of a base. ``commit`` and the counts are ``None`` until there is a result. ``covered_by``: the
    sync whose run did this one's work too."""

    id: UUID
    job_id: str
    state: str
    mode: str
    trigger: str
    type: str | None
    commit: str | None
    added: int | None
    modified: int | None
    removed: int | None
    chunks_created: int | None
    chunks_removed: int | None
    chunks_moved: int | None
    versions_removed: list[str]
    covered_by: UUID | None
    error: str | None
    files: list[SyncedFile]
    files_omitted: int
    notices: list[str]
    progress: Progress | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

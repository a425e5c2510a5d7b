"""JSON of ``/api/knowledge-bases``: what its routes take and answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from common.json_time import json_time
from contracts.storable import Text
from knowledge.bases.records import BaseView, KnowledgeBase, Origin, State
from knowledge.bases.wire import (
    CHUNK_OVERLAP,
    CHUNK_SIZE,
    EXTENSIONS,
    OF_VERSION,
    ChunkOverlap,
    ChunkSize,
    Extensions,
    Globs,
    Name,
    Schedule,
    SourceText,
    Version,
)
from servicekit.answers import Body, Change
from servicekit.forms import Time

NewId = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Characters that are valid in a URL, in a Redis key and in a job's id without escaping."""

Description = Annotated[Text, StringConstraints(max_length=10_000)]


class NewBase(Body):
    """A base to register. Private unless ``public``."""

    id: NewId
    name: Name
    description: Description = ""
    source: SourceText
    version: Version = "latest"
    extensions: Extensions = Field(default_factory=lambda: list(EXTENSIONS))
    include: Globs = Field(default_factory=list)
    exclude: Globs = Field(default_factory=list)
    chunk_size: ChunkSize = CHUNK_SIZE
    chunk_overlap: ChunkOverlap = CHUNK_OVERLAP
    refresh_schedule: Schedule | None = None
    public: bool = False

    def base(self, owner: str) -> KnowledgeBase:
        """The base that ``owner`` registers."""
        return KnowledgeBase(**_frozen(self.model_dump()), origin="api", owner=owner)


class BaseChange(Change):
    """The changes to a base: a field that is left out doesn't change. ``refreshSchedule: null`` ends it."""

    name: Name = ""
    description: Description = ""
    source: SourceText = ""
    version: Version = ""
    extensions: Extensions = Field(default_factory=list)
    include: Globs = Field(default_factory=list)
    exclude: Globs = Field(default_factory=list)
    chunk_size: ChunkSize = CHUNK_SIZE
    chunk_overlap: ChunkOverlap = CHUNK_OVERLAP
    refresh_schedule: Schedule | None = None
    public: bool = False

    def applied_to(self, base: KnowledgeBase) -> KnowledgeBase:
        """``base`` with the body's changes."""
        return replace(base, **_frozen(self.model_dump(exclude_unset=True)))


class WhatToDelete(BaseModel):
    """The query of ``DELETE``. Unknown parameters are refused: a misspelled ``version`` must not delete
    everything."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(None, min_length=1, max_length=50, description=OF_VERSION)


class BaseViewJson(TypedDict):
    """A knowledge base as lists show it. ``documentCount`` counts source files; ``lastError`` is that of the
    latest finished sync, if it failed; ``notices`` are what its people should know about its source."""

    id: str
    name: str
    description: str
    version: str
    documentCount: int
    lastCommitSha: str | None
    lastSyncedAt: Time | None
    refreshSchedule: str | None
    source: str
    state: State
    lastError: str | None
    notices: Sequence[str]


class KnowledgeBaseJson(BaseViewJson):
    """A knowledge base with its whole definition, and the ``versions`` that have content."""

    extensions: Sequence[str]
    include: Sequence[str]
    exclude: Sequence[str]
    chunkSize: int
    chunkOverlap: int
    public: bool
    origin: Origin
    versions: Sequence[str]


def view_json(view: BaseView) -> BaseViewJson:
    """A base as lists show it."""
    return {
        "id": view.id,
        "name": view.name,
        "description": view.description,
        "version": view.version,
        "documentCount": view.document_count,
        "lastCommitSha": view.last_commit_sha,
        "lastSyncedAt": json_time(view.last_synced_at),
        "refreshSchedule": view.refresh_schedule,
        "source": view.source,
        "state": view.state,
        "lastError": view.last_error,
        "notices": view.notices,
    }


def base_json(view: BaseView, base: KnowledgeBase, versions: Sequence[str]) -> KnowledgeBaseJson:
    """A base as lists show it, and its selection of files, chunk sizes, visibility and versions."""
    return {
        **view_json(view),
        "extensions": base.extensions,
        "include": base.include,
        "exclude": base.exclude,
        "chunkSize": base.chunk_size,
        "chunkOverlap": base.chunk_overlap,
        "public": base.public,
        "origin": base.origin,
        "versions": versions,
    }


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, as :class:`KnowledgeBase` holds them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

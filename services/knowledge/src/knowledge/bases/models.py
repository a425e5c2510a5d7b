"""A knowledge base inside the service, and its JSON at the edges."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from common.json_time import json_time
from contracts.storable import Text
from knowledge.bases.cron import check_schedule

Origin: TypeAlias = Literal["settings", "job", "api"]
State: TypeAlias = Literal["idle", "queued", "syncing", "failed"]


def _dotted(extension: str) -> str:
    return f".{extension.lstrip('.')}"


Name = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
SourceText = Annotated[Text, StringConstraints(min_length=1, max_length=2000)]
Version = Annotated[Text, StringConstraints(min_length=1, max_length=50)]
Pattern = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Extension = Annotated[Text, AfterValidator(_dotted), StringConstraints(min_length=2, max_length=100)]
"""``.md``, whoever writes it ``md``."""

Extensions = Annotated[list[Extension], Field(max_length=200)]
ChunkSize = Annotated[int, Field(ge=20, le=8000)]
ChunkOverlap = Annotated[int, Field(ge=0, le=8000)]
Schedule = Annotated[Text, StringConstraints(max_length=255), AfterValidator(check_schedule)]

EXTENSIONS: tuple[str, ...] = (".md", ".txt")
CHUNK_SIZE, CHUNK_OVERLAP = 1000, 200


@dataclass(slots=True, frozen=True)
class KnowledgeBase:
    """What is to be indexed. Chunk sizes in characters. Without an owner it is public, and only the settings
    file or the Node application's jobs change it."""

    id: str
    name: str
    description: str
    source: str
    version: str
    extensions: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    chunk_size: int
    chunk_overlap: int
    refresh_schedule: str | None
    origin: Origin
    owner: str | None = None
    public: bool = True

    def visible_to(self, user_id: str) -> bool:
        return self.public or self.owner == user_id

    def definition_to_json(self) -> dict[str, Any]:
        """What :class:`BaseView` leaves out: its files, how they are cut, who sees it."""
        return {
            "extensions": self.extensions,
            "include": self.include,
            "exclude": self.exclude,
            "chunkSize": self.chunk_size,
            "chunkOverlap": self.chunk_overlap,
            "public": self.public,
            "origin": self.origin,
        }


@dataclass(slots=True, frozen=True)
class BaseView:
    """A base as ``GET /api/knowledge-bases`` shows it. ``document_count`` counts source files; ``state``
    is that of its syncs, and ``last_error`` of the one that ended last, if it failed."""

    id: str
    name: str
    description: str
    version: str
    document_count: int
    last_commit_sha: str | None
    last_synced_at: datetime | None
    refresh_schedule: str | None
    source: str
    state: State
    last_error: str | None

    def to_json(self) -> dict[str, Any]:
        return {to_camel(name): getattr(self, name) for name in self.__slots__} | {
            "lastSyncedAt": json_time(self.last_synced_at)
        }


class Definition(BaseModel):
    """One entry of the settings file."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    id: Name
    name: Name | None = None
    description: Text = ""
    source: SourceText
    version: Version = "latest"
    extensions: Extensions = Field(default_factory=lambda: list(EXTENSIONS))
    include: list[Pattern] = Field(default_factory=list)
    exclude: list[Pattern] = Field(default_factory=list)
    chunk_size: ChunkSize = CHUNK_SIZE
    chunk_overlap: ChunkOverlap = CHUNK_OVERLAP
    refresh_schedule: Schedule | None = None

    @model_validator(mode="after")
    def _overlap_fits(self) -> "Definition":
        if self.chunk_overlap >= self.chunk_size:
            raise ValueError("chunkOverlap must be less than chunkSize")
        return self

    def base(self, origin: Origin) -> KnowledgeBase:
        return KnowledgeBase(
            id=self.id,
            name=self.name or self.id,
            description=self.description,
            source=self.source,
            version=self.version,
            extensions=tuple(self.extensions),
            include=tuple(self.include),
            exclude=tuple(self.exclude),
            chunk_size=self.chunk_size,
            chunk_overlap=self.chunk_overlap,
            refresh_schedule=self.refresh_schedule,
            origin=origin,
        )

"""The commands that knowledge reads from ``knowledge.commands`` and the facts on ``knowledge.events``."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from contracts import CommandRejected, Contract, by_type
from contracts.storable import Text

COMMANDS_STREAM = "knowledge.commands"
FACTS_STREAM = "knowledge.events"

KnowledgeBaseId = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
SyncMode = Literal["incremental", "full"]
SyncType = Literal["full", "incremental", "skipped"]
SyncPhase = Literal["reading", "writing"]


class RequestSync(Contract):
    """Sync a knowledge base. The sync's id is the command's own id, or ``uuid5(source, id)``."""

    type: ClassVar[str] = "knowledge.sync.request.v1"

    knowledge_base_id: KnowledgeBaseId
    mode: SyncMode = "incremental"
    confirm_removal: bool = False
    """Remove even most of the base, if its files have vanished from its source."""


class SyncStarted(Contract):
    type: ClassVar[str] = "knowledge.sync.started.v1"

    knowledge_base_id: str
    sync_id: UUID
    version: str
    mode: SyncMode


class SyncProgressed(Contract):
    """Progress of a running sync. First it reads files and embeds their chunks, then it writes rows."""

    type: ClassVar[str] = "knowledge.sync.progressed.v1"

    knowledge_base_id: str
    sync_id: UUID
    files_read: int
    files_to_read: int
    chunks_embedded: int
    tokens: int | None = None
    """Embedded so far; a token is counted as four characters."""
    rate: float | None = None
    """Chunks a second since the phase began: embedded while reading, written while writing."""
    seconds_left: float | None = None
    """Time left in the phase, estimated from its speed so far."""
    phase: SyncPhase | None = None
    rows_written: int | None = None
    rows_to_write: int | None = None
    """Known once everything is read. Readers see all new rows at once, after the last one is written."""


class SyncCompleted(Contract):
    """The base now equals its source at commit ``sha``. The counts are files, and chunks written."""

    type: ClassVar[str] = "knowledge.sync.completed.v1"

    knowledge_base_id: str
    sync_id: UUID
    version: str
    sync_type: SyncType
    sha: str
    added: int
    modified: int
    removed: int
    chunks_created: int
    chunks_removed: int
    chunks_moved: int = 0
    """Unchanged chunks that have another place in their file."""
    versions_removed: list[str] = Field(default_factory=list)
    """Other versions of the base, whose content was deleted because another model had embedded it."""


class SyncFailed(Contract):
    """The sync did not reach its commit. ``failed_files`` lists the files that could not be read or embedded.
    Those keep their old content; the other files are up to date."""

    type: ClassVar[str] = "knowledge.sync.failed.v1"

    knowledge_base_id: str
    sync_id: UUID
    reason: str
    failed_files: list[str]


class BaseUpdated(Contract):
    """A knowledge base was registered, or its definition changed. With ``deleted`` the base and its content
    were deleted; with ``removed_version`` only the content of that version was. A base that isn't ``public``
    is visible to its owner only. Each base that was there before the release with ``description`` and
    ``revision`` is told of once more. ``revision`` is the fact's sequence: skip one that is lower than what
    you know."""

    type: ClassVar[str] = "knowledge.base.updated.v1"

    knowledge_base_id: str
    name: str
    version: str
    source: str
    refresh_schedule: str | None
    public: bool | None = None
    owner_id: str | None = None
    deleted: bool = False
    removed_version: str | None = None
    description: str | None = None
    revision: int | None = None


class UserErased(Contract):
    """Data of a user was erased by knowledge. The last fact of an erasure has ``finished`` and the counts of
    all; others have those of a transaction. ``counts`` are rows by table, ``streams`` entries by stream.
    ``subjects`` (at most 200) are those of facts on this stream that no longer exist."""

    type: ClassVar[str] = "knowledge.user.erased.v1"
    erasure_id: UUID
    user_id: str
    counts: dict[str, int]
    finished: bool
    streams: dict[str, int] | None = None
    subjects: list[str] | None = None


class KnowledgeCommandRejected(CommandRejected):
    type: ClassVar[str] = "knowledge.command.rejected.v1"


COMMANDS: tuple[type[Contract], ...] = (RequestSync,)
FACTS: tuple[type[Contract], ...] = (
    SyncStarted,
    SyncProgressed,
    SyncCompleted,
    SyncFailed,
    BaseUpdated,
    UserErased,
    KnowledgeCommandRejected,
)
TYPES = by_type(*COMMANDS, *FACTS)

"""What is stored of a base, as a sync finds it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from knowledge.content.files.records import FileState
from knowledge.content.indexes.records import Index
from knowledge.content.versions.records import StoredVersion


@dataclass(slots=True, frozen=True)
class Stored:
    """The stored content of one version of a base: what it was made with, its files by path, and the ids of
    its chunks' rows, of any writer. ``versions`` are all versions of the base."""

    version: str
    index: Index | None
    files: Mapping[str, FileState]
    chunk_ids: AbstractSet[UUID]
    versions: Sequence[StoredVersion]

    def is_made_with(self, fingerprint: str) -> bool:
        """Whether the rows were made by the rules and the model of ``fingerprint``."""
        return self.index is not None and self.index.fingerprint == fingerprint

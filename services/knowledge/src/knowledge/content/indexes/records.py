"""Which model and rules made the rows of a version."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Index:
    """What the rows of one version of a base were made with. ``commit`` is set once all files were read."""

    model: str
    fingerprint: str
    definition: str
    commit: str | None
    chunk_count: int

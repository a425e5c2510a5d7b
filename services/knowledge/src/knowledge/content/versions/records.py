"""A version of a base that has content."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class StoredVersion:
    """A version of a base that has rows, or an index without rows. ``model`` is ``None`` if another program
    wrote the rows, so that nothing says what made them."""

    version: str
    model: str | None

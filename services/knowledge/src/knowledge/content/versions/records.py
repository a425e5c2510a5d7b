"""A version of a base that has content."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class StoredVersion:
    """A version of a base that has rows, or an index without any. ``model`` is ``None`` where another program
    wrote the rows, and nothing tells what made them."""

    version: str
    model: str | None

"""The part of a push that concerns bases."""

from dataclasses import dataclass

from knowledge.sources.location import GITHUB


@dataclass(slots=True, frozen=True)
class Push:
    """``paths`` that a push touched; ``None`` if they aren't all known, so that any may be. ``host`` is
    GitHub's, or an Enterprise's with its port. ``repository_id`` stays when a repository is renamed."""

    repository: str
    ref: str
    paths: frozenset[str] | None
    host: str = GITHUB
    default_branch: str = "main"
    repository_id: int | None = None

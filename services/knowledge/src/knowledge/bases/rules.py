"""Which knowledge bases are valid, and who may do what with them. Pure."""

from collections.abc import Sequence
from pathlib import Path

from common.errors import Forbidden, Invalid, NotFound
from knowledge.bases.records import KnowledgeBase, largest_overlap
from knowledge.sources.location import FolderLocation, parse_source


def content_differs(before: KnowledgeBase, after: KnowledgeBase) -> bool:
    """Whether the two definitions lead to different rows."""
    return _content(before) != _content(after)


def check_visible(base: KnowledgeBase | None, user_id: str) -> KnowledgeBase:
    """Return ``base``. Raises ``NotFound``, or ``Forbidden`` for another user's private base."""
    if base is None:
        raise NotFound("Knowledge base not found", code="knowledge_base_not_found")
    if not base.visible_to(user_id):
        raise Forbidden
    return base


def check_owned(base: KnowledgeBase | None, user_id: str) -> KnowledgeBase:
    """Return ``base``. Raises ``NotFound``, or ``Forbidden`` unless the user owns it."""
    known = check_visible(base, user_id)
    if known.owner is None:
        where = "the settings file" if known.origin == "settings" else "jobs of the queue"
        raise Forbidden(f"Forbidden: {known.id} is defined by {where}", code="not_owned")
    if known.owner != user_id:
        raise Forbidden
    return known


def check_definition(base: KnowledgeBase, roots: Sequence[Path]) -> None:
    """Raises ``Invalid`` with details for a source or chunk sizes that aren't allowed.

    A user's folder must be inside one of ``roots``.
    """
    details: dict[str, list[str]] = {}
    try:
        location = parse_source(base.source)
    except Invalid as error:
        details["source"] = [error.reason]
    else:
        if isinstance(location, FolderLocation) and not _is_below(location.path, roots):
            details["source"] = ["a folder of this machine must lie below LOCAL_SOURCES_ROOT"]
            if not roots:
                details["source"] += ["it isn't set: the service's operator names the folders there"]
    if base.chunk_overlap > largest_overlap(base.chunk_size):
        details["chunkOverlap"] = ["must be at most half of chunkSize"]
    if details:
        raise Invalid("Validation failed", details=details)


def _is_below(path: Path, roots: Sequence[Path]) -> bool:
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # its links lead in a circle
        return False
    return any(resolved.is_relative_to(root.resolve()) for root in roots)


def _content(base: KnowledgeBase) -> tuple[object, ...]:
    return (
        base.source,
        base.version,
        base.extensions,
        base.include,
        base.exclude,
        base.chunk_size,
        base.chunk_overlap,
    )

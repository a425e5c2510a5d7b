"""Which versions stay. Pure."""

from collections.abc import Sequence

from knowledge.content.versions.records import StoredVersion


def of_other_models(versions: Sequence[StoredVersion], current: str, model: str) -> list[str]:
    """The versions other than ``current`` whose rows ``model`` hasn't made. It can't search them, and a
    reader that requests no version would compare its vectors with theirs."""
    return [other.version for other in versions if other.version != current and other.model != model]

"""What makes an erasure leave nothing."""

from backbone.redis_streams.entries import StreamEntries
from tests.support.without.patch import Patch, none_of_them


def deletion_of_entries(patch: Patch) -> None:
    """Entries are found, noted and counted, but stay in their streams."""
    patch.setattr(StreamEntries, "erase", none_of_them)

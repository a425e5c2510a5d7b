"""Which announcements fit. No I/O."""

from collections.abc import Collection

from common.errors import Conflict, TooLarge


def check_size(size: int, max_bytes: int) -> None:
    """Raise :class:`TooLarge` for an announcement of more than ``max_bytes``."""
    if size > max_bytes:
        raise TooLarge(
            f"The announcement has {size} bytes; ANNOUNCEMENT_MAX_BYTES allows {max_bytes}",
            code="announcement_too_large",
        )


def check_number(known: Collection[object], new: Collection[object], most: int, setting: str) -> None:
    """Raise :class:`Conflict` if ``new`` announcements beside those that are ``known`` are more than
    ``most``."""
    if new and len(known) + len(new) > most:
        raise Conflict(
            f"{len(known)} are announced; {setting} allows {most} at a time", code="too_many_announced"
        )

"""JSON merge patch, how large a state may be, and what a precondition header means. No I/O."""

import re
from typing import Any

from chat.conversations.records import LockedConversation, StatePatch
from common import codec
from common.errors import Invalid, TooLarge

LARGE_STATE_BYTES = 64 * 1024
"""A fact repeats states of up to this size; for a larger state it has only the patch."""

_ENTITY_TAG = re.compile(r'(?:W/)?"(\d{1,18})"', re.ASCII)


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply ``patch`` to ``target`` as RFC 7396 says; neither is changed.

    ``null`` removes a key, an object merges into an object, anything else replaces.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def apply_patch(conversation: LockedConversation, patch: StatePatch, max_bytes: int) -> bytes | None:
    """Merge ``patch`` into the locked state and increment its version. Returns the new state as JSON.

    Returns None if the patch changes nothing. Raises :class:`TooLarge`, and changes nothing, if the result is
    over ``max_bytes``. Exception: an adopted state that is over it may become smaller.
    """
    merged = merge_patch(conversation.state, patch.patch)
    before, after = conversation.encoded_state or codec.dumps(conversation.state), codec.dumps(merged)
    conversation.encoded_state = before
    if before == after:  # comparing the values, ``==`` treats 1, 1.0 and true as equal
        return None
    if _may_exceed(after, max_bytes):
        size = codec.stored_bytes(after)
        if size > max_bytes and size >= codec.stored_bytes(before):
            raise too_large("state", size, max_bytes)
    if len(after) > LARGE_STATE_BYTES:  # its fact has the patch, which may hold any number of nulls
        check_size("patch", patch.patch, max_bytes)
    conversation.state, conversation.encoded_state = merged, after
    conversation.state_version += 1
    return after


def check_size(name: str, value: dict[str, Any], max_bytes: int) -> None:
    """Raise :class:`TooLarge` if the JSON of ``value`` is over ``max_bytes``."""
    encoded = codec.dumps(value) if value else b""
    if _may_exceed(encoded, max_bytes) and (size := codec.stored_bytes(encoded)) > max_bytes:
        raise too_large(name, size, max_bytes)


def too_large(name: str, size: int, max_bytes: int) -> TooLarge:
    """The error for a state, or another document of a conversation, of ``size`` bytes."""
    return TooLarge(
        f"The {name} would have {size} bytes as JSON; STATE_MAX_BYTES allows {max_bytes}",
        code="state_too_large",
    )


def _may_exceed(encoded: bytes, max_bytes: int) -> bool:
    """Whether the stored size of ``encoded`` must be measured."""
    return len(encoded) * codec.MOST_GROWTH > max_bytes


def entity_tag(version: int) -> str:
    """The ``ETag`` of a state at ``version``."""
    return f'"{version}"'


def versions_matching(if_match: str | None) -> frozenset[int] | None:
    """The versions that an ``If-Match`` header allows; None if it allows any.

    Raises :class:`Invalid` for a header that isn't a list of our entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [_ENTITY_TAG.fullmatch(tag.strip()) for tag in if_match.split(",")]
    if not all(tags):
        raise Invalid(
            "Validation failed", details={"If-Match": ['must be "*" or entity tags like "3", as in ETag']}
        )
    return frozenset(int(tag.group(1)) for tag in tags if tag)

"""JSON merge patch, and what a precondition header means. No I/O."""

import re
from typing import Any

from chat.conversations.records import LockedConversation, StatePatch
from common import codec
from common.errors import Invalid

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


def apply_patch(conversation: LockedConversation, patch: StatePatch) -> bool:
    """Merge ``patch`` into the locked state and count its version up. False when it changes nothing."""
    merged = merge_patch(conversation.state, patch.patch)
    if codec.dumps(merged) == codec.dumps(conversation.state):  # ``==`` would take 1, 1.0 and true for equal
        return False
    conversation.state = merged
    conversation.state_version += 1
    return True


def entity_tag(version: int) -> str:
    """The ``ETag`` of a state at ``version``."""
    return f'"{version}"'


def versions_matching(if_match: str | None) -> frozenset[int] | None:
    """The versions that an ``If-Match`` header allows; None when any will do.

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

"""What a state becomes by an edit, and how large it may be. No I/O."""

from typing import Any

from chat.conversations.rules import check_size, may_exceed, too_large
from chat.states.merge_patches import find_patch, is_same, merge_patch
from chat.states.records import EditableState, StateEdit
from common import codec

LARGE_STATE_BYTES = 64 * 1024
"""A fact repeats states of up to this size; for a larger state it has only the patch, if there is one."""


def apply_edit(current: EditableState, edit: StateEdit, max_bytes: int) -> bool:
    """Change the state as ``edit`` says, and increment its version. Returns whether it changed.

    Raises :class:`TooLarge`, and changes nothing, if the result is over ``max_bytes``. Exception: an adopted
    state that is over it may become smaller.
    """
    edited = edit.document if edit.replaces else merge_patch(current.state, edit.document)
    if edit.replaces and is_same(current.state, edited):  # its keys may stand in another order
        return False
    before, after = current.encoded or codec.dumps(current.state), codec.dumps(edited)
    current.encoded = before
    if before == after:  # comparing the values, ``==`` treats 1, 1.0 and true as equal
        return False
    if may_exceed(after, max_bytes):
        size = codec.stored_bytes(after)
        if size > max_bytes and size >= codec.stored_bytes(before):
            raise too_large("state", size, max_bytes)
    if len(after) > LARGE_STATE_BYTES and not edit.replaces:  # its fact has the patch, of any number of nulls
        check_size("patch", edit.document, max_bytes)
    current.state, current.encoded = edited, after
    current.version += 1
    return True


def patch_to_tell(before: dict[str, Any], edit: StateEdit, encoded: bytes) -> dict[str, Any] | None:
    """The patch with which a fact tells of the edit that made ``encoded`` of ``before``.

    None if the fact has the state itself: it isn't large, or no patch that isn't larger says the same.
    """
    if len(encoded) <= LARGE_STATE_BYTES:
        return None
    if not edit.replaces:
        return edit.document
    patch = find_patch(before, edit.document)
    return patch if patch is not None and len(codec.dumps(patch)) <= len(encoded) else None

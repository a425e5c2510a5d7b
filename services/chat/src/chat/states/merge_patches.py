"""JSON merge patch (RFC 7396): applied, and found between two states. No I/O."""

from typing import Any


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


def find_patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any] | None:
    """The patch that makes ``after`` of ``before``.

    None if there is none: a patch can't give a member the value ``null``.
    """
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before or not is_same(before[key], value):
            change = _find_change(before.get(key), value)
            if change is None:
                return None
            patch[key] = change
    return patch


def _find_change(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return find_patch(old, new)
    return None if _has_null_member(new) else new


def _has_null_member(value: Any) -> bool:
    """Whether an object in ``value``, not inside an array, has a member that is ``null``."""
    return isinstance(value, dict) and any(v is None or _has_null_member(v) for v in value.values())


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON. ``==`` treats 1, 1.0 and true as equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)

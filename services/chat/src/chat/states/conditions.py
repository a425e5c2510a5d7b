"""Refuses what a request doesn't want with the version that a state has. No I/O."""

from chat.states.records import State
from servicekit.conditions import Condition, PreconditionFailed, VersionConflict, is_matched, refusal


def check_if_match(condition: Condition, current: State) -> None:
    """Raise :class:`PreconditionFailed`, with the state as it is, unless ``If-Match`` allows the version."""
    if not is_matched(condition, current.version):
        raise _refused(PreconditionFailed, current)


def check_condition(condition: Condition, current: State) -> None:
    """Raise :class:`PreconditionFailed` or :class:`VersionConflict`, with the state as it is, unless a change
    may be made."""
    if kind := refusal(condition, current.version):
        raise _refused(kind, current)


def _refused(kind: type[VersionConflict], current: State) -> VersionConflict:
    return kind("state", current.version, {"state": current.state, "version": current.version})

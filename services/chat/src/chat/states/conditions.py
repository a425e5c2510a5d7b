"""Which version of a state a request is about: ``If-Match``, ``If-None-Match`` (RFC 9110, section 13) and
``expectedVersion``. No I/O."""

import re

from chat.states.records import Condition, State
from common.errors import Conflict, Invalid

# Entity tags, separated by commas; empty elements of a list count for nothing (RFC 9110, 5.6.1 and 8.8.3).
_ELEMENT = re.compile(r'[ \t]*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))?[ \t]*(?:,|$)')


class VersionConflict(Conflict):
    """HTTP 409: the state has another version than ``expectedVersion``. The answer has the state as it is."""

    default_code = "version_conflict"

    def __init__(self, current: State) -> None:
        super().__init__(f"The state is at version {current.version}")
        self.fields = {"data": {"state": current.state, "version": current.version}}
        self.headers = {"ETag": entity_tag(current.version)}


class PreconditionFailed(VersionConflict):
    """HTTP 412: ``If-Match`` or ``If-None-Match`` isn't fulfilled."""

    status = 412


def entity_tag(version: int) -> str:
    """The ``ETag`` of a state at ``version``. It is a strong one."""
    return f'"{version}"'


def read_condition(
    if_match: str | None, if_none_match: str | None, expected_version: int | None
) -> Condition:
    """The condition of a request's headers, each with all its lines, and of its ``expectedVersion``.

    Raises :class:`Invalid` for a header that is neither ``*`` nor a list of entity tags. A weak tag never
    matches in ``If-Match``, and does in ``If-None-Match`` (RFC 9110, 8.8.3.2).
    """
    matched = excluded = None
    if if_match is not None and not _is_any(if_match):
        matched = frozenset(tag for weak, tag in _entity_tags("If-Match", if_match) if not weak)
    if if_none_match is not None:
        excluded = frozenset(
            () if _is_any(if_none_match) else (tag for _, tag in _entity_tags("If-None-Match", if_none_match))
        )
    return Condition(matched, excluded, expected_version)


def _is_any(value: str) -> bool:
    return value.strip(" \t") == "*"


def _entity_tags(name: str, value: str) -> list[tuple[bool, str]]:
    tags: list[tuple[bool, str]] = []
    place = 0
    while place < len(value):
        element = _ELEMENT.match(value, place)
        if element is None:
            break
        place = element.end()
        if element[2]:
            tags.append((element[1] is not None, element[2]))
    if place < len(value) or not tags:
        raise Invalid(
            "Validation failed", details={name: ['must be "*" or entity tags like "3", as in ETag']}
        )
    return tags


def is_unchanged(condition: Condition, version: int) -> bool:
    """Whether ``If-None-Match`` has the version: a reader has it already (304)."""
    tags = condition.if_none_match
    return tags is not None and (not tags or entity_tag(version) in tags)


def check_if_match(condition: Condition, current: State) -> None:
    """Raise :class:`PreconditionFailed` unless ``If-Match`` allows the version."""
    if condition.if_match is not None and entity_tag(current.version) not in condition.if_match:
        raise PreconditionFailed(current)


def check_condition(condition: Condition, current: State) -> None:
    """Raise :class:`PreconditionFailed` or :class:`VersionConflict` unless a change may be made."""
    check_if_match(condition, current)
    if is_unchanged(condition, current.version):
        raise PreconditionFailed(current)
    if condition.expected_version not in (None, current.version):
        raise VersionConflict(current)

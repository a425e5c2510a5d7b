"""Which version of something a request is about: ``If-Match``, ``If-None-Match`` (RFC 9110, section 13) and
``expectedVersion``."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Header, Request
from pydantic import Field

from common.errors import Conflict, Invalid
from servicekit.list_parameters import Digits

ExpectedVersion: TypeAlias = Annotated[int, Digits, Field(ge=0)]
ETAG = {"ETag": {"description": "The version.", "schema": {"type": "string", "examples": ['"3"']}}}

# Entity tags, separated by commas; empty elements of a list count for nothing (RFC 9110, 5.6.1 and 8.8.3).
_ELEMENT = re.compile(r'[ \t]*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))?[ \t]*(?:,|$)')


@dataclass(slots=True, frozen=True)
class Condition:
    """Which version something must have. ``None``: any.

    ``if_match`` and ``if_none_match`` are entity tags as :func:`entity_tag` writes them; ``if_none_match`` is
    empty for ``*``, which nothing that exists fulfils.
    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None
    expected_version: int | None = None


ANY_VERSION = Condition()


class VersionConflict(Conflict):
    """HTTP 409: ``what`` has another version than ``expectedVersion``. The answer has it as it is, as
    ``data``."""

    default_code = "version_conflict"

    def __init__(self, what: str, version: int, data: Any) -> None:
        super().__init__(f"The {what} is at version {version}")
        self.fields = {"data": data}
        self.headers = {"ETag": entity_tag(version)}


class PreconditionFailed(VersionConflict):
    """HTTP 412: ``If-Match`` or ``If-None-Match`` isn't fulfilled."""

    status = 412


def entity_tag(version: int) -> str:
    """The ``ETag`` of something at ``version``. It is a strong one."""
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


def is_matched(condition: Condition, version: int) -> bool:
    """Whether ``If-Match`` allows the version."""
    return condition.if_match is None or entity_tag(version) in condition.if_match


def refusal(condition: Condition, version: int) -> type[VersionConflict] | None:
    """The error for a change of what is at ``version``; None if it may be made."""
    if not is_matched(condition, version) or is_unchanged(condition, version):
        return PreconditionFailed
    return VersionConflict if condition.expected_version not in (None, version) else None


async def _condition(
    request: Request,
    if_match: Annotated[
        str | None, Header(description="`ETag`s, or `*`. For any other version the answer is 412.")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="`ETag`s, or `*`. For these versions it is 304 or 412.")
    ] = None,
) -> Condition:
    """What the request's headers demand of the version. Each may stand in several lines."""
    lines = request.headers.getlist
    return read_condition(
        None if if_match is None else ", ".join(lines("if-match")),
        None if if_none_match is None else ", ".join(lines("if-none-match")),
        None,
    )


ConditionParam: TypeAlias = Annotated[Condition, Depends(_condition)]

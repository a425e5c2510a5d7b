"""Whose an entry is: the users and the subjects that it names, whatever its form. No I/O."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from backbone.events import Event, MalformedEntry, RawEntry, decode_entry
from common import codec

USER_MEMBERS = ("userId", "ownerId")
"""Members of an event's data that hold a user's id. A test compares them with the contracts."""

SUBJECT_MEMBERS = ("conversationId", "knowledgeBaseId", "sessionId")
"""Members that hold what is a subject elsewhere. A custom agent's facts have it as their subject."""

KEPT = ".user.erased.v1"
"""The end of the types of our facts that tell of an erasure: they stay, although they name the user."""

CREATES = ".create.v1"
"""The end of the types of commands whose ``id`` is that of what they create; by default the event's key."""

COMMANDS = "command/"
"""A rejection's subject is this and the command's key."""

_MEMBER = re.compile(
    rb'"(' + "|".join((*USER_MEMBERS, *SUBJECT_MEMBERS)).encode() + rb')"\s*:\s*("(?:[^"\\]|\\.)*")'
)
"""Finds members in what isn't JSON, or not of an object."""


@dataclass(slots=True, frozen=True)
class Names:
    """What an entry names. ``subject`` is the event's own, ``created`` what the command creates.

    ``keys`` are those under which a rejection of it is known, and ``published`` the time that it says.
    """

    type: str = ""
    users: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    subject: str | None = None
    created: str | None = None
    keys: tuple[UUID, ...] = ()
    published: datetime | None = None


NOTHING = Names()


def names_in(stream: str, entry: RawEntry) -> Names:
    """What an entry of ``stream`` names, or what the original entry of a dead letter names."""
    entry_id, fields = entry
    own = {name: value for name, value in fields.items() if not name.startswith(b"dead-")}
    event: Event | None
    try:
        event = decode_entry(stream, entry_id, own)
    except MalformedEntry as error:
        event = error.event
    if event is not None and event.type.endswith(KEPT) and event.source.startswith("/takaro/"):
        return NOTHING
    raw = event.data if event is not None else b" ".join(own.values())
    members = _members(raw)
    users = frozenset(text for name, text in members if name in USER_MEMBERS)
    subjects = {canonical(text) for name, text in members if name in SUBJECT_MEMBERS}
    subject = own.get(b"subject", b"").decode(errors="replace") or None
    if event is None:
        return Names("", users, frozenset(subjects))
    if subject is not None:
        subjects.add(canonical(subject))
    created = None
    if event.type.endswith(CREATES):
        created = canonical(next((text for name, text in members if name == "id"), str(event.key())))
        subjects.add(created)
    keys = (event.key(), uuid5(event.key(), event.digest().hex()))
    return Names(event.type, users, frozenset(subjects), subject, created, keys, time_of(event))


def canonical(subject: str) -> str:
    """A subject as ours write it: a UUID in lower case with hyphens, anything else as it is."""
    with suppress(ValueError):
        return str(UUID(subject))
    return subject


def _members(data: bytes) -> list[tuple[str, str]]:
    try:
        decoded = codec.loads(data)
    except ValueError:
        decoded = None
    if isinstance(decoded, Mapping):
        details = decoded.get("details")  # of a rejection
        inside = details.items() if isinstance(details, Mapping) else ()
        return list(_texts((*decoded.items(), *inside)))
    found = []
    for name, quoted in _MEMBER.findall(data):
        with suppress(ValueError):
            found.append((name.decode(), codec.loads(quoted)))
    return list(_texts(found))


def _texts(members: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, str]]:
    for name, value in members:
        if isinstance(value, str) and name in (*USER_MEMBERS, *SUBJECT_MEMBERS, "id"):
            yield name, value


def time_of(event: Event) -> datetime | None:
    """When an event says that it was published, if it does; without a zone in UTC."""
    if event.time is None:
        return None
    with suppress(ValueError):
        moment = datetime.fromisoformat(event.time)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None

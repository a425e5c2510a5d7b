"""Commands of erased users: what was published before the erasure has no effect after it, and leaves no dead
letter, which would keep what it says."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from backbone.entry_names import Names, canonical, names_in, time_of
from backbone.erased_ids import digest_of_subject, digest_of_user, list_erased
from backbone.events import PUBLISHED, RawEntry
from backbone.validation import Item
from common.postgres import Connection

_REDIS_ID = re.compile(r"(\d{1,15})-\d+")
LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999."""


async def find_erased(connection: Connection, items: Sequence[Item]) -> set[int]:
    """Positions of the commands that were published before their user, or what they are about, was erased.

    When a command was published is what it says, and not after it was added to its stream. One about an
    erased subject that doesn't say it is taken to be older: whoever begins anew doesn't know old ids.
    """
    named = [_names_of(item) for item in items]
    users = {user: digest_of_user(user) for names in named for user in names.users}
    subjects = {subject: digest_of_subject(subject) for names in named for subject in names.subjects}
    if not users and not subjects:
        return set()
    erased = await list_erased(connection, [*users.values(), *subjects.values()])
    if not erased:
        return set()
    found = set()
    for i, (item, names) in enumerate(zip(items, named, strict=True)):
        of_user = [at for user in names.users if (at := erased.get(users[user]))]
        of_subject = [at for subject in names.subjects if (at := erased.get(subjects[subject]))]
        said, at = names.published, _published(item.entry, names)
        if any(at is not None and at < moment for moment in of_user) or any(
            said is None or (at is not None and at < moment) for moment in of_subject
        ):
            found.add(i)
    return found


def _names_of(item: Item) -> Names:
    if item.command is None or item.event is None:
        return names_in(item.event.stream if item.event else "", item.entry)
    # Its data is decoded already, and its key is what it is about.
    user = getattr(item.command.data, "user_id", None)
    users = frozenset() if user is None else frozenset({user})
    about = frozenset({canonical(item.order_key)})
    return Names(item.event.type, users, about, published=time_of(item.event))


def _published(entry: RawEntry, names: Names) -> datetime | None:
    """What the command says, or when it was added, whichever is earlier."""
    entry_id, fields = entry
    added: str | None = None
    if match := _REDIS_ID.fullmatch(entry_id):
        added = match[1]
    elif (stamp := fields.get(PUBLISHED, b"")).isdigit():
        added = stamp.decode()
    moments = [] if names.published is None else [names.published]
    if added is not None:
        moments.append(datetime.fromtimestamp(min(int(added), LAST_MILLISECOND) / 1000, UTC))
    return min(moments, default=None)

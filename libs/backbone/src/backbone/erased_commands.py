"""Commands of erased users: what was published before the erasure has no effect after it, and leaves no dead
letter, which would keep what it says."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from backbone.entry_names import Names, canonical, names_in, time_of
from backbone.erased_ids import digest_of_subject, digest_of_user, list_erased
from backbone.events import PUBLISHED, RawEntry
from backbone.handlers import Command
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
    digests = {digest for item in items for digest in _digests_of(item)}
    erased = await list_erased(connection, digests) if digests else {}
    return {i for i, item in enumerate(items) if _is_older(item, erased)} if erased else set()


def _digests_of(item: Item) -> tuple[bytes, ...]:
    if item.command is None:
        names = _names_of(item)
        return (*map(digest_of_user, names.users), *map(digest_of_subject, names.subjects))
    user, about = _user_of(item.command), _digest_about(item.order_key)
    return (about,) if user is None else (about, digest_of_user(user))


@lru_cache(maxsize=4_096)  # a batch has many commands about few conversations
def _digest_about(order_key: str) -> bytes:
    return digest_of_subject(canonical(order_key))


def _user_of(command: Command[Any]) -> str | None:
    # Asked first: what a model hasn't got takes it longer to miss than all the rest here.
    if "user_id" not in type(command.data).model_fields:
        return None
    user: str | None = command.data.user_id
    return user


def _names_of(item: Item) -> Names:
    if item.command is None or item.event is None:
        return names_in(item.event.stream if item.event else "", item.entry)
    # Its data is decoded already, and its key is what it is about.
    user = _user_of(item.command)
    users = frozenset() if user is None else frozenset({user})
    about = frozenset({canonical(item.order_key)})
    return Names(item.event.type, users, about, published=time_of(item.event))


def _is_older(item: Item, erased: Mapping[bytes, datetime]) -> bool:
    names = _names_of(item)
    said, at = names.published, _published(item.entry, names)
    of_user = [moment for user in names.users if (moment := erased.get(digest_of_user(user)))]
    of_subject = [moment for s in names.subjects if (moment := erased.get(digest_of_subject(s)))]
    return any(at is not None and at < moment for moment in of_user) or any(
        said is None or (at is not None and at < moment) for moment in of_subject
    )


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
